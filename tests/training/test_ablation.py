"""Rows of recipes/ablations: what they change, and that they train as a codec does."""

import signal
from dataclasses import replace

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from torch.utils.tensorboard import SummaryWriter

from tests.small import SMALL
from tests.training.test_codec_task import CONFIG, same, stop_after, weights
from vqaudio.config import config_directory, differences, from_dict
from vqaudio.models.bottlenecks import CONTINUOUS, GAUSSIAN, SCALAR, UNTAUGHT, BottleneckConfig
from vqaudio.models.vqvae import VQVAEConfig
from vqaudio.training.ablation import AblationConfig, AblationTask
from vqaudio.training.checkpoint import Checkpoints
from vqaudio.training.codec import CodecTrainingConfig
from vqaudio.training.held_out import HeldOut
from vqaudio.training.loop import restore, train

ROWS = sorted(path.stem for path in (config_directory() / "ablation").glob("*.yaml"))
SETTINGS = dict(vars(CONFIG))
EVERY_FOURTH = replace(CONFIG.loop, eval_every=4)


def make(corpus, kind="vq", **changes):
    config = AblationConfig(
        **{**SETTINGS, "loop": EVERY_FOURTH, "bottleneck": BottleneckConfig(kind), **changes}
    )
    held_out = HeldOut(corpus, frame=128, clips=2, seconds=1, shown=0)
    return AblationTask(SMALL, config, corpus, held_out, torch.device("cpu"))


def composed(row):
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        config = compose(
            "train_ablation", [f"ablation={row}", "data.train=a", "data.held_out=b", "output=c"]
        )
    return OmegaConf.to_container(config, resolve=True)


@pytest.mark.parametrize("row", ROWS)
def test_a_row_changes_what_it_says_and_nothing_else(row):
    values, base = composed(row), composed("base")
    VQVAEConfig.from_dict(values["model"])
    from_dict(AblationConfig, values["training"])
    assert values["row"].keys() == {"changed", "claim"}
    changed = [
        line
        for part in ("model", "training")
        for line in differences(base[part], values[part], f"{part}.")
    ]
    several = {"paper": 4, "gaussian": 2, "scalar": 2, "random-untrained": 2, "base": 0}
    assert len(changed) == several.get(row, 2 if row == "random-no-restart" else 1), changed


def test_the_file_for_training_says_all_there_is():
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        config = compose("train_ablation", ["data.train=a", "data.held_out=b", "output=c"])
    given = OmegaConf.to_container(OmegaConf.structured(AblationConfig))
    ours = OmegaConf.to_container(config.training)
    assert ours.keys() == given.keys()
    assert ours["bottleneck"].keys() == given["bottleneck"].keys()
    loss = from_dict(AblationConfig, ours).loss
    assert loss == CodecTrainingConfig().loss  # a row's base is the codec as it is trained


@pytest.mark.parametrize("kind", [UNTAUGHT, CONTINUOUS, GAUSSIAN, SCALAR])
def test_all_rows_start_alike_and_learn(corpus, kind):
    task, base = make(corpus, kind), make(corpus)
    for part in ("encoder", "decoder"):
        ours, theirs = (getattr(t.model, part).state_dict() for t in (task, base))
        assert same(ours, theirs)
    figures = [task.step(task.crops[n], n) for n in range(5)]
    assert not same(task.model.decoder.state_dict(), base.model.decoder.state_dict())
    assert "commitment" in figures[3]
    assert ("perplexity_batch" in figures[4]) == (kind == UNTAUGHT)


def test_without_straight_through_the_encoder_learns_by_commitment_alone(corpus):
    def moved(beta):
        loss = replace(CONFIG.loss, beta=beta)
        still = replace(CONFIG.optimizer, weight_decay=0.0)
        task = make(corpus, UNTAUGHT, loss=loss, optimizer=still, quantize_from=0)
        first = task.model.encoder.strided[0].weight
        before = first.detach().clone()
        task.step(task.crops[0], 0)
        return not torch.equal(first, before)

    assert moved(beta=0.25)
    assert not moved(beta=0.0)


def test_a_random_start_stays_random(corpus):
    task = make(corpus, codebook=replace(CONFIG.codebook, kmeans_vectors=0), quantize_from=0)
    before = task.model.quantizer.codebook.clone()
    task._start_codebook(0)
    assert torch.equal(task.model.quantizer.codebook, before)


def test_flips_are_what_changed_between_evaluations(corpus, tmp_path):
    task, writer = make(corpus, quantize_from=0), SummaryWriter(tmp_path)
    task.step(task.crops[0], 0)
    task.evaluate(1, writer)
    assert task.flips == []
    task.evaluate(2, writer)  # nothing was learnt since
    with torch.no_grad():
        task.model.quantizer.codebook.copy_(task.model.quantizer.codebook.roll(1, dims=0))
    task.evaluate(3, writer)
    assert task.flips == [(2, 0.0), (3, 1.0)]


@pytest.mark.parametrize("kind", ["vq", GAUSSIAN])
def test_resumed_is_uninterrupted(corpus, tmp_path, monkeypatch, kind):
    """Noise and flips too."""
    whole = make(corpus, kind, quantize_from=1)
    train(whole, whole.batches, whole.config.loop, tmp_path / "whole")
    part = make(corpus, kind, quantize_from=1)
    monkeypatch.setattr(part, "step", stop_after(part.step, 5))
    assert train(part, part.batches, part.config.loop, tmp_path / "part") == 128 + signal.SIGTERM
    resumed = make(corpus, kind, quantize_from=1)
    progress = restore(resumed, Checkpoints(tmp_path / "part" / "checkpoints").latest())
    train(resumed, resumed.batches, resumed.config.loop, tmp_path / "part", progress)
    assert same(weights(whole), weights(resumed))
    assert list(map(tuple, resumed.flips)) == whole.flips
    assert len(whole.flips) == (kind == "vq")
