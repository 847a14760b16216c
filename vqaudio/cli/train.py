"""vqaudio-train: train a model by its configuration (Hydra; see configs/train.yaml).

vqaudio-train data.train=corpus/train data.held_out=corpus/held-out output=exp/mine
vqaudio-train --config-name train_prior data.train=codes/train data.held_out=codes/held-out output=...
vqaudio-train --config-name train_waveform data.train=corpus/train data.held_out=... output=...
vqaudio-train --config-name train_ablation ablation=base data.train=... data.held_out=... output=...
torchrun --nproc-per-node 4 -m vqaudio.cli.train ...
"""

import sys
from collections.abc import Callable
from pathlib import Path

import hydra
import torch
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from vqaudio import modelfiles, pretrained
from vqaudio.codec import load_codec
from vqaudio.config import config_directory, from_dict
from vqaudio.data.chunks import CodeCorpus
from vqaudio.data.manifest import Corpus
from vqaudio.errors import VqaudioError, first_line
from vqaudio.models.code_model import CodeModelConfig
from vqaudio.models.vqvae import VQVAE, VQVAEConfig
from vqaudio.models.waveform_vqvae import WaveformVQVAE, WaveformVQVAEConfig
from vqaudio.training import distributed, initial, initial_prior
from vqaudio.training.ablation import AblationConfig, AblationTask
from vqaudio.training.checkpoint import Checkpoints
from vqaudio.training.codec import CodecTask, CodecTrainingConfig
from vqaudio.training.held_out import HeldOut
from vqaudio.training.held_out_codes import HeldOutCodes
from vqaudio.training.held_out_waves import HeldOutWaves
from vqaudio.training.loop import LoopConfig, Progress, Task, restore, train
from vqaudio.training.prior import PriorTask, PriorTrainingConfig
from vqaudio.training.waveform import WaveformTask, WaveformTrainingConfig


def run(cfg: DictConfig) -> int:
    """One training run; the exit status. Raises VqaudioError, OSError or ValueError for what the user
    can mend."""
    values = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    plans = {"codec": _codec, "prior": _prior, "waveform": _waveform, "ablation": _ablation}
    task = values.get("task", "codec")
    if task not in plans:
        raise ValueError(f"task must be one of {', '.join(plans)}, not {task}")
    loop, make_task = plans[task](values)
    if loop.threads:
        torch.set_num_threads(loop.threads)
    directory = Path(values["output"])
    try:
        task = make_task(distributed.start(values["device"]))
        checkpoint = _resume(values["resume"], directory)
        progress = restore(task, checkpoint) if checkpoint else Progress()
        if distributed.is_main():
            directory.mkdir(parents=True, exist_ok=True)
            (directory / "config.yaml").write_text(OmegaConf.to_yaml(cfg, resolve=True))
        return train(task, task.batches, loop, directory, progress)
    finally:
        distributed.stop()


def _codec(values: dict) -> tuple[LoopConfig, Callable[[torch.device], Task]]:
    model = VQVAEConfig.from_dict(values["model"])
    training = from_dict(CodecTrainingConfig, values["training"])

    def make_task(device: torch.device) -> CodecTask:
        corpus, held_out = _sides(values, model)
        start = None
        if values["initial"] is not None:
            critics = None if training.adversarial_from is None else training.discriminators
            start = initial.load(values["initial"], model, critics, values["initial_part"])
        return CodecTask(model, training, corpus, held_out, device, start)

    return training.loop, make_task


def _prior(values: dict) -> tuple[LoopConfig, Callable[[torch.device], Task]]:
    given = values["model"]
    model = None if given == initial_prior.ITS_MODEL else CodeModelConfig.from_dict(given)
    training = from_dict(PriorTrainingConfig, values["training"])

    def make_task(device: torch.device) -> PriorTask:
        name = values["data"]["codec"]
        codec = None if name is None else load_codec(name, device)
        held_out = HeldOutCodes(CodeCorpus(values["data"]["held_out"]), codec)
        corpus = CodeCorpus(values["data"]["train"])
        start = initial_prior.load(values["initial"], model, corpus.fingerprint)
        config = model or start.config
        return PriorTask(config, training, corpus, held_out, device, start)

    return training.loop, make_task


def _waveform(values: dict) -> tuple[LoopConfig, Callable[[torch.device], Task]]:
    model = WaveformVQVAEConfig.from_dict(values["model"])
    training = from_dict(WaveformTrainingConfig, values["training"])

    def make_task(device: torch.device) -> WaveformTask:
        corpus = Corpus(values["data"]["train"])
        held_out = HeldOutWaves(
            Corpus(values["data"]["held_out"]),
            hop=WaveformVQVAE(model).hop,
            seconds_shown=training.seconds_shown,
        )
        start = None
        if values["initial"] is not None:
            start, _ = modelfiles.read(pretrained.folder_of(values["initial"]))
        return WaveformTask(model, training, corpus, held_out, device, start)

    return training.loop, make_task


def _ablation(values: dict) -> tuple[LoopConfig, Callable[[torch.device], Task]]:
    model = VQVAEConfig.from_dict(values["model"])
    training = from_dict(AblationConfig, values["training"])

    def make_task(device: torch.device) -> AblationTask:
        return AblationTask(model, training, *_sides(values, model), device)

    return training.loop, make_task


def _sides(values: dict, model: VQVAEConfig) -> tuple[Corpus, HeldOut]:
    """What a codec trains on, and what it is judged by."""
    corpus, held_out = (Corpus(values["data"][side]) for side in ("train", "held_out"))
    return corpus, HeldOut(held_out, frame=VQVAE(model).frame)


def _resume(resume: str, directory: Path) -> Path | None:
    if resume == "none":
        return None
    if resume == "auto":
        return Checkpoints(directory / "checkpoints").latest()
    return Path(resume)


@hydra.main(version_base="1.3", config_path=str(config_directory()), config_name="train")
def main(cfg: DictConfig) -> None:
    try:
        status = run(cfg)
    except (VqaudioError, OSError, ValueError, OmegaConfBaseException) as error:
        print(f"vqaudio-train: {first_line(error)}", file=sys.stderr)
        status = 1
    sys.exit(status)


if __name__ == "__main__":
    main()
