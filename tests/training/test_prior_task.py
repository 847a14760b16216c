"""Training a prior: it learns, resumes exactly, and stays with the codec whose codes it learned."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest
import safetensors.torch
import torch
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

from tests.small import small_model
from tests.small_prior import FINGERPRINT, NETWORKS, K, every_network, write_codes
from tests.small_voices import small_voices
from tests.training.test_codec_task import same, start, stop_after
from vqaudio.cli import train as cli
from vqaudio.codec import Codec
from vqaudio.config import config_directory, from_dict
from vqaudio.data.chunks import ChunkConfig, CodeCorpus
from vqaudio.errors import ModelError
from vqaudio.models.code_model import CodeModel, CodeModelConfig
from vqaudio.models.transformer import TransformerConfig
from vqaudio.training import checkpoint, distributed, export_prior
from vqaudio.training.checkpoint import Checkpoints
from vqaudio.training.codec import OptimizerConfig
from vqaudio.training.held_out_codes import HeldOutCodes, bits_per_code
from vqaudio.training.loop import LoopConfig, restore, train
from vqaudio.training.prior import PriorTask, PriorTrainingConfig

MODEL = CodeModelConfig(K, 0, NETWORKS[0])
CONFIG = PriorTrainingConfig(
    loop=LoopConfig(steps=8, log_every=2, eval_every=4, num_workers=0),
    chunks=ChunkConfig(batch_size=4, length=24),
    optimizer=OptimizerConfig(rate=5e-3, warmup=2, decay=2),
    average_decay=0.9,
)


def repeating(clips=12, seed=0):
    """Clips of 2 to 40 codes that repeat their first three: after those all is known."""
    random = np.random.default_rng(seed)
    return [np.resize(random.integers(K, size=3), n) for n in np.linspace(2, 40, clips).astype(int)]


@pytest.fixture(scope="module")
def codes_folder(tmp_path_factory):
    return write_codes(tmp_path_factory.mktemp("codes"), repeating(), ["a", "b"] * 6)


@pytest.fixture(scope="module")
def codes(codes_folder):
    return CodeCorpus(codes_folder)


def make(codes, config=CONFIG, model=MODEL, **held_out):
    return PriorTask(model, config, codes, HeldOutCodes(codes, **held_out), torch.device("cpu"))


def run(task, steps):
    return [task.step(task.chunks[n], n) for n in steps]


@every_network
def test_learns_what_follows_from_what(tmp_path, network):
    codes = CodeCorpus(write_codes(tmp_path, repeating(400)))
    steps = 150
    config = replace(CONFIG, loop=replace(CONFIG.loop, steps=steps))
    task = make(codes, config, replace(MODEL, network=network))
    figures = run(task, range(steps))
    assert figures[0]["loss"] == pytest.approx(np.log2(K), rel=0.2)  # in bits
    assert figures[-1]["loss"] < 2
    # Of the 21 codes of a clip at the mean, at most three are news.
    assert task.evaluate(steps, SummaryWriter(tmp_path)) < 2 * 3 / 21 * np.log2(K)


def test_only_codes_that_there_are_count(codes):
    """A batch filled up with NO_CODE has the loss of its codes alone."""
    config = replace(CONFIG, precision="fp32")
    batch = torch.tensor([[1, 2, 3, -1, -1], [4, 5, 6, -1, -1]])
    filled, alone = make(codes, config), make(codes, config)
    ours, theirs = filled.step(batch, 0), alone.step(batch[:, :3], 0)
    torch.testing.assert_close(ours["loss"], theirs["loss"])
    torch.testing.assert_close(ours["gradient_norm"], theirs["gradient_norm"])


@every_network
def test_resumed_is_uninterrupted(codes, tmp_path, monkeypatch, network):
    """Bit for bit, in bf16 as by default."""
    model = replace(MODEL, network=network)
    whole = make(codes, model=model)
    train(whole, whole.batches, CONFIG.loop, tmp_path / "whole")
    part = make(codes, model=model)
    monkeypatch.setattr(part, "step", stop_after(part.step, 5))
    assert train(part, part.batches, CONFIG.loop, tmp_path / "part") == 128 + signal.SIGTERM
    resumed = make(codes, model=model)
    progress = restore(resumed, Checkpoints(tmp_path / "part" / "checkpoints").latest())
    assert progress.step == 5
    assert train(resumed, resumed.batches, CONFIG.loop, tmp_path / "part", progress) == 0
    assert same(whole.model.state_dict(), resumed.model.state_dict())
    assert same(whole.averaged.state_dict(), resumed.averaged.state_dict())
    assert not same(whole.model.state_dict(), whole.averaged.module.state_dict())


def test_two_ranks_descend_as_one_does(codes, monkeypatch):
    """Half the chunks each, some filled up more than others: the mean gradient is the whole's."""
    config = replace(CONFIG, precision="fp32", optimizer=OptimizerConfig(clip_norm=1e9))
    alone = make(codes, config)
    counts = (alone.chunks[0] >= 0).sum(dim=1).float()
    assert counts[:2].sum() != counts[2:].sum()
    run(alone, range(1))
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    monkeypatch.setattr(distributed, "mean_over_ranks", lambda _: counts.sum() / 2)
    ranks = []
    for rank in range(2):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        ranks.append(make(codes, config))
        run(ranks[-1], range(1))
    for whole, first, second in zip(*(t.parameters for t in (alone, *ranks)), strict=True):
        mean = (first.grad + second.grad) / 2
        torch.testing.assert_close(mean, whole.grad, rtol=1e-4, atol=1e-6)


def test_held_out_bits_are_of_every_code_with_all_that_came_before(codes):
    torch.manual_seed(0)
    prior = CodeModel(MODEL)
    bits = []
    for clip in codes.clips:
        alone = torch.from_numpy(clip.astype(np.int64))[None]
        with torch.no_grad():
            bits += prior.bits(alone)[0].tolist()
    assert len(bits) == codes.num_codes
    assert bits_per_code(prior, codes) == pytest.approx(np.mean(bits), rel=1e-5)


def test_the_averaged_weights_are_judged(codes, tmp_path):
    task = make(codes, replace(CONFIG, precision="fp32"))
    run(task, range(5))
    score = task.evaluate(5, SummaryWriter(tmp_path))
    assert score == bits_per_code(task.averaged.module, codes)
    assert score != bits_per_code(task.model, codes)


@pytest.mark.parametrize("make_codec", [lambda: Codec(small_model()), small_voices])
def test_tensorboard_has_bits_and_the_sound_of_samples(make_codec, tmp_path):
    codec = make_codec()
    random = np.random.default_rng(0)
    rows = [random.integers(512, size=50) for _ in range(3)]
    codes = CodeCorpus(write_codes(tmp_path / "codes", rows, fingerprint=codec.fingerprint))
    task = make(codes, model=replace(MODEL, codebook_size=512), codec=codec, shown=2, seconds=0.512)
    train(task, task.batches, replace(CONFIG.loop, steps=4), tmp_path)
    events = EventAccumulator(str(tmp_path)).Reload()
    assert [event.step for event in events.Scalars("held-out/bits_per_code")] == [4]
    assert events.Scalars("train/loss")[-1].step == 4
    sounds = [events.Audio(f"sample/{i}")[0] for i in range(2)]
    assert all(sound.sample_rate == 16000 for sound in sounds)
    assert all(sound.length_frames == 8192 for sound in sounds)
    assert sounds[0].encoded_audio_string != sounds[1].encoded_audio_string
    before = torch.get_rng_state()
    task.evaluate(5, SummaryWriter(tmp_path / "again"))
    assert torch.equal(torch.get_rng_state(), before)  # samples do not disturb training


def test_a_prior_stays_with_its_codec(codes, tmp_path):
    state = make(codes).state_dict()
    assert state["codec_fingerprint"] == FINGERPRINT.hex()
    other = CodeCorpus(write_codes(tmp_path, repeating(), fingerprint=bytes(8)))
    with pytest.raises(ModelError, match=f"{FINGERPRINT.hex()}.*{bytes(8).hex()}"):
        make(other).load_state_dict(state)
    with pytest.raises(ModelError, match="different codecs"):
        PriorTask(MODEL, CONFIG, codes, HeldOutCodes(other), torch.device("cpu"))
    with pytest.raises(ModelError, match=FINGERPRINT.hex()):
        HeldOutCodes(codes, Codec(small_model()))


def test_what_does_not_fit_is_refused(codes, capsys):
    with pytest.raises(ModelError, match="codebook_size 5"):
        make(codes, model=replace(MODEL, codebook_size=5))
    with pytest.raises(ValueError, match="fp61"):
        replace(CONFIG, precision="fp61")
    state = make(codes).state_dict()
    with pytest.raises(ModelError, match="another model"):
        make(codes, model=replace(MODEL, network=NETWORKS[1])).load_state_dict(state)
    make(codes, replace(CONFIG, average_decay=0.5)).load_state_dict(state)
    assert "average_decay: 0.9 -> 0.5" in capsys.readouterr().err


def compose_both(overrides=()):
    data = ["data.train=a", "data.held_out=b", "output=c"]
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        cfg = compose("train_prior", [*overrides, *data], return_hydra_config=False)
    values = OmegaConf.to_container(cfg, resolve=True)
    model = CodeModelConfig.from_dict(values["model"])
    return model, from_dict(PriorTrainingConfig, values["training"])


def test_yaml_mirrors_the_dataclasses():
    assert compose_both() == (CodeModelConfig(), PriorTrainingConfig())
    model, _ = compose_both(["model=prior_transformer"])
    assert model == CodeModelConfig(network=TransformerConfig())
    values = yaml.safe_load((config_directory() / "training/prior.yaml").read_text())
    given = OmegaConf.to_container(OmegaConf.structured(PriorTrainingConfig))
    assert values.keys() == given.keys()
    for group in ("loop", "chunks", "optimizer"):
        assert values[group].keys() == given[group].keys()
    for name, config in (("wavenet", CodeModelConfig()), ("transformer", model)):
        values = yaml.safe_load((config_directory() / f"model/prior_{name}.yaml").read_text())
        assert values == yaml.safe_load(yaml.safe_dump(plain(config.to_dict())))


@pytest.mark.parametrize("experiment", ["speech64-prior", "speech128-prior"])
def test_experiments_start_from_the_codebook(experiment):
    model, training = compose_both([f"experiment={experiment}"])
    assert model == CodeModelConfig()
    assert training.codebook_start
    assert training.loop.steps % training.loop.eval_every == 0


def plain(values):
    """Tuples as YAML has them."""
    if isinstance(values, dict):
        return {name: plain(value) for name, value in values.items()}
    return list(values) if isinstance(values, tuple) else values


def overrides(codes_folder, output):
    """A small run of 120 steps, with as many threads in a process of its own as in this one."""
    network = "{kind: wavenet, width: 16, skip: 16, kernel: 2, dilations: [1, 2, 4], cycles: 1}"
    loop = "steps: 120, log_every: 10, eval_every: 20, num_workers: 0"
    return [
        *(f"output={output}", f"data.train={codes_folder}", f"data.held_out={codes_folder}"),
        f"model={{codebook_size: {K}, network: {network}}}",
        f"training.loop={{{loop}, threads: {torch.get_num_threads()}}}",
        "training.chunks={batch_size: 4, length: 24}",
    ]


def test_killed_and_resumed_is_uninterrupted(codes_folder, tmp_path):
    """Through the command line: kill -9 at some moment, resume=auto, same weights."""
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        cfg = compose("train_prior", overrides(codes_folder, tmp_path / "whole"))
    assert cli.run(cfg) == 0
    command = [sys.executable, "-m", "vqaudio.cli.train", "--config-name", "train_prior"]
    arguments = command + overrides(codes_folder, tmp_path / "killed")
    quiet = {"stdout": subprocess.DEVNULL}
    victim = start(arguments, tmp_path / "killed" / "checkpoints", **quiet)
    os.kill(victim.pid, signal.SIGKILL)
    assert victim.wait() == -signal.SIGKILL  # it had not finished by itself
    subprocess.run(arguments, check=True, **quiet)
    whole, killed = (
        checkpoint.load(tmp_path / name / "checkpoints" / "step-000000120.pt")["task"]
        for name in ("whole", "killed")
    )
    assert same(whole["averaged"], killed["averaged"])
    assert same(whole["model"], killed["model"])


def test_a_run_becomes_a_model_with_a_card(codes, codes_folder, tmp_path, capsys):
    out = tmp_path / "model"
    assert export_prior.main([str(tmp_path), str(out)]) == 1
    assert "no checkpoint" in capsys.readouterr().err
    task = make(codes)
    train(task, task.batches, CONFIG.loop, tmp_path)
    values = {"data": {"train": str(codes_folder)}, "training": asdict(CONFIG)}
    (tmp_path / "config.yaml").write_text(OmegaConf.to_yaml(values))
    assert export_prior.main([str(tmp_path), str(out)]) == 0
    card = json.loads((out / "card.json").read_text())
    assert card["codec"] == FINGERPRINT.hex()
    assert card["data"] == {"codes": codes.num_codes, "clips": 12, "speakers": 2}
    assert card["training"]["codes_seen"] == 8 * 4 * 24
    prior = CodeModel(CodeModelConfig.from_dict(card["config"]))
    prior.load_state_dict(safetensors.torch.load_file(out / "model.safetensors"))
    for name, value in task.averaged.module.state_dict().items():
        torch.testing.assert_close(prior.state_dict()[name], value, rtol=1e-3, atol=1e-4)
