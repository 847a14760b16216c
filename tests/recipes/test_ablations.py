"""The whole of recipes/ablations at a tiny scale; and killed at any stage, it comes to the same."""

import json
import os
import re
import subprocess

import pytest

from tests.recipes.smoke import Place, Recipe
from vqaudio.config import config_directory

FEW = ("gaussian", "random-start")
RECIPE = Recipe(
    "ablations",
    "ablations",
    killed_at=("train", f"{FEW[1]}/checkpoints/step-000000008.pt", f"{FEW[0]}/figures.json"),
    results=[f"{row}/figures.json" for row in FEW],
)
ROWS = re.search(r'^rows="([^"]*)"', RECIPE.script.read_text(), re.MULTILINE)[1].split()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """All rows, undisturbed."""
    place = Place(RECIPE, tmp_path_factory.mktemp("ablations"))
    place.finish()
    return place


@pytest.fixture
def results(whole):
    return whole.run


def figures(results, row):
    return json.loads((results / row / "figures.json").read_text())


def test_every_row_is_in_the_table(results):
    assert sorted(ROWS) == sorted(p.stem for p in (config_directory() / "ablation").glob("*.yaml"))
    table = (results / "RESULTS.md").read_text()
    for row in ROWS:
        assert len(re.findall(rf"^\| {re.escape(row)} \|", table, re.MULTILINE)) == 2
        assert figures(results, row)["step"] == 16
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


def test_killed_at_any_stage_it_comes_to_the_same(whole, tmp_path):
    place, few = Place(RECIPE, tmp_path), ("--rows", " ".join(FEW))
    for stage in range(len(RECIPE.killed_at)):
        place.kill_in(stage, *few)
    place.finish(*few)
    assert place.results() == whole.results()
    assert "| gaussian |" in (place.run / "RESULTS.md").read_text()


def test_a_table_can_be_made_of_what_is_there(whole):
    whole.finish("--stage", "3", "--rows", "base beta-9")
    assert "Not measured yet: beta-9." in (whole.run / "RESULTS.md").read_text()


def test_a_row_that_was_trained_otherwise_is_not_taken_for_this_one(whole):
    arguments = ("--stage", "1", "--stop-stage", "1", "--rows", "base")
    whole.finish(*arguments)
    assert whole.log().endswith("base: trained already\n")
    with pytest.raises(AssertionError, match="base was trained otherwise"):
        whole.finish(*arguments, "training.loss.beta=.5")


def test_wrong_usage_is_told(tmp_path):
    environment = {**os.environ, "VQAUDIO_EXP": str(tmp_path)}
    for arguments in (["--nonsense", "1"], ["--stage"], []):
        done = subprocess.run([RECIPE.script, *arguments], env=environment, capture_output=True)
        assert done.returncode == 2
        assert b"usage" in done.stderr
    train = ["--audio-dir", tmp_path, "--stage", "1", "--stop-stage", "1", "--rows", "beta-9"]
    done = subprocess.run([RECIPE.script, *train], env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "beta-9" in done.stderr
