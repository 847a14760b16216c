"""recipes/phonemes on a tree of one's own, from the stage that a trained model is there."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import soundfile

from tests.conftest import SPEECH
from vqaudio import pretrained
from vqaudio.evaluation.phonemes.aligner import POCKETSPHINX

RECIPE = Path(__file__).parents[2] / "recipes/phonemes/run.sh"
TEXT = (
    "THE GIRL WHO CAME INTO THE WORLD ON THAT NIGHT WHEN JESSE RAN THROUGH THE FIELDS CRYING TO GOD "
    "THAT HE BE GIVEN A SON HAD GROWN TO WOMANHOOD ON THE FARM"
)


@pytest.fixture
def tree(tmp_path):
    """Three speakers, of whom two say what is written down; one is German, they say."""
    wave, rate = soundfile.read(SPEECH / "1455-134435-0000.flac", dtype="float32")
    rows = []
    for number, (speaker, language) in enumerate((("a", "en"), ("b", "en"), ("c", "de"))):
        path = tmp_path / "audio" / speaker / "clip.flac"
        path.parent.mkdir(parents=True)
        soundfile.write(path, wave * (1 - 0.2 * number), rate)
        rows.append({"path": f"audio/{speaker}/clip.flac", "text": TEXT, "language": language})
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def run(tree, *arguments):
    environment = {
        **os.environ,
        "VQAUDIO_DATA": str(tree / "data"),
        "VQAUDIO_EXP": str(tree / "exp"),
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.run(
        [RECIPE, *map(str, arguments)], env=environment, cwd=tree, capture_output=True, text=True
    )


@pytest.mark.skipif(not POCKETSPHINX.present(), reason="pocketsphinx is not installed")
def test_clips_with_english_texts_are_scored(tree):
    shutil.copytree(pretrained.folder_of("speech128"), tree / "exp/mine/model")
    options = (
        "--audio-dir",
        "audio",
        "--transcripts",
        "texts.jsonl",
        "--tag",
        "mine",
        "--workers",
        "1",
    )
    for stages in (("--stop-stage", "1"), ("--stage", "3")):
        done = run(tree, *options, *stages)
        assert done.returncode == 0, done.stderr
    results = (tree / "exp/mine/RESULTS.md").read_text()
    assert "run.sh --audio-dir audio --transcripts texts.jsonl\n" in results
    assert "## transcribed" in results
    assert "| mine " in results
    report = json.loads((tree / "exp/mine/transcribed.json").read_text())
    assert report["speakers"] == report["clips"] == 2
    assert report["clips_trained_on"] in (1, 2)  # one of the three speakers is held out


def test_without_anything_to_score_it_does_not_start(tree):
    done = run(tree, "--audio-dir", "audio")
    assert done.returncode == 2
    assert "usage" in done.stderr
