import math

import pytest
import torch
import yaml

from tests.training.test_ablation import make
from vqaudio.errors import ModelError
from vqaudio.evaluation.ablation import COLUMNS, measure, table
from vqaudio.training.held_out import HeldOut
from vqaudio.training.loop import train

ROW = {"changed": "nothing", "claim": "none"}


@pytest.fixture
def run(corpus, corpus_folder, tmp_path):
    """A function that makes a run of a row, with its folder."""

    def made(kind="vq", **changes):
        task = make(corpus, kind, quantize_from=1, **changes)
        train(task, task.batches, task.config.loop, tmp_path)
        config = {"row": ROW, "data": {"held_out": str(corpus_folder)}}
        (tmp_path / "config.yaml").write_text(yaml.dump(config))
        return task, tmp_path

    return made


def test_figures_are_those_of_the_averaged_weights(run):
    task, folder = run()
    figures = measure(folder)
    model = task.averaged.module.eval()
    clips = HeldOut(task.crops.corpus, frame=128).waves
    with torch.inference_mode():
        found = [model(wave[None]) for wave, _ in clips]
    z = torch.cat([one.z[0] for one in found])
    e = torch.cat([one.quantized.vectors[0] for one in found])
    codes = torch.cat([one.quantized.indices[0] for one in found])
    shares = torch.bincount(codes) / len(codes)
    assert figures["codes_used"] == pytest.approx(len(codes.unique()) / 512)
    bits = -(shares * shares.clamp_min(1e-9).log2()).sum().item()
    assert figures["bits"] == pytest.approx(bits, rel=1e-3)
    assert figures["perplexity"] == pytest.approx(2 ** figures["bits"])
    assert figures["norm_z"] == pytest.approx(z.norm(dim=-1).mean().item())
    assert figures["norm_e"] == pytest.approx(e.norm(dim=-1).mean().item())
    distortion = (z - e).square().sum(-1).mean().item()
    assert figures["distortion"] == pytest.approx(distortion)
    variance = z.var(dim=0, correction=0).sum().item()
    assert figures["spread"] == pytest.approx(variance**0.5)
    assert figures["relative_distortion"] == pytest.approx(distortion / variance)
    waves = [wave for wave, _ in clips]
    mel = [task.mel(one.wave, wave[None]).item() for one, wave in zip(found, waves, strict=True)]
    assert figures["mel"] == pytest.approx(sum(mel) / len(mel))
    assert figures["mel_half"] == task.scores[0][1]
    assert figures["flips"] == task.flips[0][1]
    assert (figures["step"], figures["changed"]) == (8, "nothing")


def test_measured_twice_is_measured_the_same(run):
    _, folder = run("gaussian")
    assert measure(folder) == measure(folder)
    assert not math.isnan(measure(folder)["mel"])


def test_other_runs_are_none(run, tmp_path):
    with pytest.raises(ModelError, match="no checkpoint"):
        measure(tmp_path / "nowhere")


def test_a_table_says_what_is_missing():
    figures = dict.fromkeys(key for key, *_ in COLUMNS.values()) | ROW
    figures |= {"step": 8, "hours_heard": 0.5, "clips": 2, "mel": 0.12345, "codes_used": 0.5}
    said = table(["base", "beta-0"], {"base": figures})
    assert "| base | - | 0.1235 | - | - | 50 | - " in said
    assert "| base | nothing | none |" in said
    assert "8 steps a row, 0.50 h heard" in said
    assert said.endswith("Not measured yet: beta-0.")
