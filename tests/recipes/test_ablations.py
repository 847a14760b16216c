"""The whole of recipes/ablations at a tiny scale; and killed at any stage, it comes to the same."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from vqaudio.config import config_directory

RECIPE = Path(__file__).parents[2] / "recipes/ablations/run.sh"
ROWS = re.search(r'^rows="([^"]*)"', RECIPE.read_text(), re.MULTILINE)[1].split()
FEW = ["gaussian", "random-start"]


def start(root, *arguments):
    environment = {
        **os.environ,
        "VQAUDIO_DATA": str(root / "data"),
        "VQAUDIO_EXP": str(root / "exp"),
        "OMP_NUM_THREADS": "1",
    }
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(
        [RECIPE, "--smoke", *arguments], env=environment, start_new_session=True, **pipes
    )


def finish(process):
    _, error = process.communicate()
    assert process.returncode == 0, error


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The folder of results of one undisturbed run of all rows."""
    root = tmp_path_factory.mktemp("ablations")
    finish(start(root))
    return root / "exp/smoke/ablations"


def figures(results, row):
    return json.loads((results / row / "figures.json").read_text())


def test_every_row_is_in_the_table(results):
    assert sorted(ROWS) == sorted(p.stem for p in (config_directory() / "ablation").glob("*.yaml"))
    table = (results / "RESULTS.md").read_text()
    for row in ROWS:
        assert len(re.findall(rf"^\| {re.escape(row)} \|", table, re.MULTILINE)) == 2
        assert figures(results, row)["step"] == 30
    assert "Not measured" not in table


def test_rows_have_the_figures_that_they_can_have(results):
    base, gaussian, scalar, autoencoder = (
        figures(results, row) for row in ("base", "gaussian", "scalar", "autoencoder")
    )
    assert None not in base.values()
    assert base["norm_z"] > 0
    assert figures(results, "sphere")["norm_z"] == pytest.approx(1)
    assert gaussian["bits"] > 0
    assert gaussian["perplexity"] is gaussian["flips"] is None
    assert scalar["codes_used"] > 0
    assert scalar["distortion"] is None
    assert autoencoder["bits"] is None
    assert len({figures(results, row)["mel"] for row in ROWS}) == len(ROWS)


def test_killed_at_any_stage_it_comes_to_the_same(results, tmp_path):
    run = tmp_path / "exp/smoke/ablations"
    moments = [
        tmp_path / "data/smoke/train",  # stage 0 under way
        run / FEW[1] / "checkpoints/step-000000015.pt",  # in the second row of stage 1
        run / FEW[0] / "figures.json",  # stage 2 half done
    ]
    for moment in moments:
        process = start(tmp_path, "--rows", " ".join(FEW))
        while not moment.exists() and process.poll() is None:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL  # it had not come to its end
    finish(start(tmp_path, "--rows", " ".join(FEW)))
    for row in FEW:
        assert figures(run, row) == figures(results, row)
    assert "| gaussian |" in (run / "RESULTS.md").read_text()


def test_a_table_can_be_made_of_what_is_there(results):
    done = subprocess.run(
        [RECIPE, "--smoke", "--stage", "3", "--rows", "base beta-9"],
        env={**os.environ, "VQAUDIO_EXP": str(results.parents[1])},
        capture_output=True,
    )
    assert done.returncode == 0
    assert "Not measured yet: beta-9." in (results / "RESULTS.md").read_text()


def test_wrong_usage_is_told(tmp_path):
    environment = {**os.environ, "VQAUDIO_EXP": str(tmp_path)}
    for arguments in (["--nonsense", "1"], ["--stage"], []):
        done = subprocess.run([RECIPE, *arguments], env=environment, capture_output=True)
        assert done.returncode == 2
        assert b"usage" in done.stderr
    done = subprocess.run(
        [RECIPE, "--audio-dir", tmp_path, "--stage", "1", "--stop-stage", "1", "--rows", "beta-9"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "beta-9" in done.stderr
