"""From a training run to a model that can be used: averaged weights and a card of the run.

    python -m vqaudio.training.export RUN OUT [--checkpoint FILE]

RUN is what vqaudio-train had as output=. OUT gets model.safetensors and card.json, and of an adversarial
run discriminators.safetensors, for whoever trains on from there (initial=OUT).
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from torch import nn

from vqaudio.codec import Codec
from vqaudio.data.manifest import Corpus
from vqaudio.errors import ModelError, VqaudioError
from vqaudio.models.vqvae import VQVAE, VQVAEConfig
from vqaudio.training import checkpoint, initial, voice_pitch
from vqaudio.training.checkpoint import Checkpoints

EMPHASIS = 1.25
"""By what voices are made to differ more than they were learned: recipes/vctk/RESULTS.md."""


def export(run: Path, out: Path, path: Path | None = None) -> None:
    """Write the averaged weights of a checkpoint (the newest by default), with a card of the run.

    Of a model with voices the pitch is measured too, which takes minutes, and the voices are
    emphasised.
    """
    state = load_state(run, path)
    task = state["task"]
    model = averaged_weights(VQVAE(VQVAEConfig.from_dict(task["model_config"])), task)
    card = _card(run, state)
    if model.voices is not None:
        corpus = Corpus(run_config(run)["data"]["train"])
        fit = voice_pitch.measure(model.eval(), corpus, task["speakers"])
        model.voices.emphasise(len(task["speakers"]), EMPHASIS)
        card |= {"speakers": task["speakers"], "pitch": asdict(fit), "emphasis": EMPHASIS}
    Codec(model, card).save(out)
    if "discriminators" in task:
        critics = task["training_config"]["discriminators"]
        initial.save_discriminators(out, critics, task["discriminators"])


def load_state(run: Path, path: Path | None) -> dict[str, Any]:
    """The checkpoint `path`, or the newest of the run. Raises ModelError if there is none."""
    path = path or Checkpoints(run / "checkpoints").latest()
    if path is None:
        raise ModelError(f"{run} holds no checkpoint")
    return checkpoint.load(path)


def averaged_weights(model: nn.Module, task: dict[str, Any]) -> nn.Module:
    """A model like `model` with the averaged weights of a task's state."""
    averaged = torch.optim.swa_utils.AveragedModel(model)
    averaged.load_state_dict(task["averaged"])
    return averaged.module


def run_config(run: Path) -> dict[str, Any]:
    """The configuration that vqaudio-train left in the run's folder."""
    return OmegaConf.to_container(OmegaConf.load(run / "config.yaml"))


def training_entry(state: dict[str, Any], config: dict[str, Any], **heard: float) -> dict[str, Any]:
    """What a card says of training; `heard`: how much of what was trained on."""
    return {
        "steps": state["step"],
        **heard,
        "hours_on_the_clock": round(state["seconds"] / 3600, 2),
        "machine": state["machine"],
        "config": config["training"],
    }


def _card(run: Path, state: dict[str, Any]) -> dict[str, Any]:
    config = run_config(run)
    crops = config["training"]["crops"]
    heard = state["step"] * crops["batch_size"] * crops["seconds"] / 3600
    corpus = Corpus(config["data"]["train"])
    return {
        "name": run.name,
        "data": {
            "hours": round(corpus.hours, 2),
            "clips": len(corpus.clips),
            "speakers": len({clip.speaker for clip in corpus.clips}),
        },
        "training": training_entry(state, config, hours_of_audio_heard=round(heard, 2)),
    }


def command(
    prog: str,
    description: str,
    export: Callable[[Path, Path, Path | None], None],
    arguments: list[str] | None,
) -> int:
    """RUN OUT [--checkpoint FILE] for `export`; the exit status."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--checkpoint", type=Path, help="the newest of the run by default")
    options = parser.parse_args(arguments)
    try:
        export(options.run, options.out, options.checkpoint)
    except (VqaudioError, OSError, ValueError, KeyError) as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return 1
    return 0


def main(arguments: list[str] | None = None) -> int:
    return command("export", __doc__.split("\n")[0], export, arguments)


if __name__ == "__main__":
    sys.exit(main())
