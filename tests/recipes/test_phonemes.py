"""The whole of recipes/phonemes, from a download to its table, at a tiny scale."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from vqaudio.evaluation.phonemes.aligner import POCKETSPHINX

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not POCKETSPHINX.present(), reason="pocketsphinx is not installed")
def test_every_stage_runs(tmp_path):
    environment = {
        **os.environ,
        "VQAUDIO_DATA": str(tmp_path / "data"),
        "VQAUDIO_EXP": str(tmp_path / "exp"),
        "OMP_NUM_THREADS": "1",
    }
    command = [ROOT / "recipes/phonemes/run.sh", "--smoke"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    run = tmp_path / "exp/smoke/phonemes640"
    report = json.loads((run / "phonemes.json").read_text())
    assert {row["codec"] for row in report["phones"]} == {"phonemes640", "speech128", "speech64"}
    assert [row["rate"] for row in report["phones"] if row["name"] == "phonemes640"] == [25]
    assert "| phonemes640" in (run / "RESULTS.md").read_text()


def test_wrong_usage_is_told():
    done = subprocess.run(
        [ROOT / "recipes/phonemes/run.sh", "--nonsense", "1"], capture_output=True
    )
    assert done.returncode == 2
    assert b"usage" in done.stderr
