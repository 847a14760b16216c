"""The whole of recipes/folder, from a tree of audio files to a packaged model, at a tiny scale."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import soundfile
from safetensors import safe_open

from vqaudio.codec import Codec
from vqaudio.data.manifest import Corpus
from vqaudio.prior import Prior

ROOT = Path(__file__).parents[2]
TINY = [
    "model.encoder.widths=[4,6,8,12,16,16]",
    "model.encoder.blocks=1",
    "model.decoder.width=24",
    "model.decoder.blocks=1",
    "training.loop={steps: 40, log_every: 10, eval_every: 20, num_workers: 0, threads: 1}",
    "training.crops.batch_size=2",
    "training.quantize_from=10",
    "training.codebook.kmeans_vectors=600",
    "training.precision=fp32",
]
TINY_NETWORK = "model.network={width: 8, skip: 8, kernel: 2, dilations: [1, 2], cycles: 1}"
TINY_PRIOR = [
    "training.loop={steps: 20, log_every: 10, eval_every: 20, num_workers: 0, threads: 1}",
    "training.chunks={batch_size: 2, length: 64}",
    "training.precision=fp32",
]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory, speech):
    """A function that runs stages of the recipe on a tree of three speakers; its folders."""
    root = tmp_path_factory.mktemp("recipe")
    wave, rate = speech
    for i, speaker in enumerate(["anna", "bert", "carl"]):
        folder = root / ("held-out" if speaker == "carl" else "audio") / speaker
        folder.mkdir(parents=True)
        soundfile.write(folder / "clip.flac", wave[i * 32000 : (i + 1) * 32000].numpy(), rate)
    environment = {
        **os.environ,
        "VQAUDIO_DATA": str(root / "data"),
        "VQAUDIO_EXP": str(root / "exp"),
        "OMP_NUM_THREADS": "1",
    }

    def run(*arguments, overrides=TINY):
        command = [ROOT / "recipes/folder/run.sh", "--audio-dir", root / "audio"]
        command += ["--held-out-dir", root / "held-out", "--tag", "tiny", "--copies", "2"]
        command += ["--prior", TINY_NETWORK]
        for override in TINY_PRIOR:
            command += ["--prior", override, "--integer", override]
        command += [*arguments, *overrides]
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    return run, root


def test_every_stage_runs_and_runs_again(recipe):
    run, root = recipe
    about = ROOT / "recipes/folder"
    done = run(
        *("--about", about / "speech64.about.json"),
        *("--prior-about", about / "speech64-prior.about.json"),
    )
    assert done.returncode == 0, done.stderr
    exp = root / "exp" / "tiny"
    assert {c.speaker for c in Corpus(root / "data" / "train").clips} == {"anna", "bert"}
    with safe_open(exp / "codes/train/codes-00000.safetensors", "numpy") as shard:
        ends = shard.get_tensor("ends")
        assert len(shard.get_tensor("indices")) == ends[-1] > 500
        assert shard.metadata()["fingerprint"] == Codec.load(exp / "model").fingerprint.hex()
    card = json.loads((exp / "release" / "card.json").read_text())
    assert card["training"]["steps"] == 40
    assert card["data"]["speakers"] == 2
    assert "speech64" in card["held_out"]["codecs"]  # as --about names it
    assert str(root) not in json.dumps(card)  # a card travels: no paths of the machine
    codec = Codec.load(exp / "release")
    assert codec.fingerprint == Codec.load(exp / "model").fingerprint
    prior = Prior.load(exp / "prior-release")
    prior.check(codec)
    assert prior.exact
    assert prior.card["name"] == "tiny-prior"
    assert prior.card["code_licence"] == "Apache-2.0"
    assert prior.card["training"]["steps"] == 20
    assert prior.card["data"]["speakers"] == 2
    figures = prior.card["held_out"]["bits_per_code"]
    assert figures["tiny-prior"]["mean"] > 0
    assert "prior-float" in figures
    assert str(root) not in json.dumps(prior.card)

    again = run("--stop-stage", "4")
    assert again.returncode == 0, again.stderr
    assert "step 10/" not in again.stdout  # nothing was left to train

    longer = [o.replace("steps: 40", "steps: 60") for o in TINY]
    done = run("--stage", "1", "--stop-stage", "1", overrides=longer)
    assert done.returncode == 0, done.stderr
    assert "step 60/60" in done.stdout
    assert "step 40/60" not in done.stdout
    assert (exp / "checkpoints/step-000000060.pt").exists()
    stale = run("--stage", "4")
    assert stale.returncode == 1  # the scorecard is of the model before
    assert "run stage 3 again" in stale.stderr


@pytest.mark.parametrize(
    ("override", "word"),
    [
        ("device=tpu", "tpu"),
        ("training.loop.stepz=3", "stepz"),
        ("training.optimizer.rate=fast", "rate"),
    ],
)
def test_a_mistake_in_an_override_is_named(recipe, override, word):
    run, root = recipe
    run("--stop-stage", "0")
    done = run("--stage", "1", "--stop-stage", "1", "--tag", "wrong", override)
    assert done.returncode == 1
    assert word in done.stderr
    assert not (root / "exp" / "wrong").exists()
    assert "Traceback" not in done.stderr
