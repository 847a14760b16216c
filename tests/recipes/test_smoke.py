"""Recipes from a download to their tables, at a tiny scale: whole, and killed in every stage."""

import json
import subprocess

import pytest

from tests.recipes.smoke import Place, Recipe
from vqaudio.evaluation.metrics import METRICS
from vqaudio.evaluation.phonemes.aligner import POCKETSPHINX

CARD, PRIOR = "model/card.json", "prior/model/card.json"
STEP = "checkpoints/step-000000010.pt"
RECIPES = [
    Recipe(
        "phonemes",
        "phonemes640",
        killed_at=(
            "download/LibriSpeech/dev-clean",
            "dev-clean/samples.s16.part",
            STEP,
            "codes/test-clean/phonemes640",
            "test-clean/phones.jsonl",
            "codes/test-clean/speech128",  # in the last stage no Python runs
        ),
        results=(CARD, "RESULTS.md"),
    ),
    Recipe(
        "librispeech",
        "librispeech128",
        killed_at=(
            "download/train-clean-360.tar.gz",
            "train-clean-460/samples.s16.part",
            STEP,
            "codes/train",
            f"prior/{STEP}",
            "samples/sample-0001.wav",
            "scorecard.json",
        ),
        results=(CARD, PRIOR, "samples/sample-0002.wav", "RESULTS.md"),
    ),
    Recipe(
        "vctk",
        "vctk64",
        killed_at=(
            "download/VCTK-Corpus-0.92",
            "train/samples.s16.part",
            STEP,
            "codes/train",
            f"prior/{STEP}",
            "converted/codes",
            "scorecard.json",
        ),
        results=(
            CARD,
            PRIOR,
            "converted/as-p227/p225/p225_001_mic1.decoded.wav",
            "RESULTS.md",
        ),
    ),
]
NEEDS = {"phonemes": POCKETSPHINX.present(), "vctk": METRICS["speaker"].missing() is None}


@pytest.fixture(scope="module", params=RECIPES, ids=lambda recipe: recipe.name)
def whole(request, tmp_path_factory):
    """A recipe that ran from its first stage to its last."""
    if not NEEDS.get(request.param.name, True):
        pytest.skip("the judge is not installed")
    place = Place(request.param, tmp_path_factory.mktemp(request.param.name))
    place.finish()
    return place


def test_every_stage_leaves_what_it_should(whole):
    assert [f"stage {n}:" in whole.log() for n in range(7)] == [True] * 7
    results = (whole.run / "RESULTS.md").read_text()
    assert "mean nothing" in results
    if whole.recipe.name == "phonemes":
        report = json.loads((whole.run / "test-clean.json").read_text())
        rates = {row["codec"]: row["rate"] for row in report["phones"]}
        assert rates == {"phonemes640": 25, "speech128": 125, "speech64": 250}
        assert "| phonemes640" in results
    else:
        assert "bits per code" in results
        assert "perplexity" in results
        assert "RTF" not in results
    if whole.recipe.name == "vctk":
        card = json.loads((whole.run / CARD).read_text())
        assert card["speakers"] == ["p225", "p226", "p227", "s5"]  # p315 has no texts
        assert "nearer target" in results


def test_killed_in_every_stage_it_comes_to_the_same(whole, tmp_path):
    """From stage 3 on it is told the stage to go on with, which only saves this test's time."""
    place, again = Place(whole.recipe, tmp_path), ()
    for stage in range(len(place.recipe.killed_at)):
        place.kill_in(stage, *again)
        again = ("--stage", str(stage)) if stage >= 2 else ()
    place.finish(*again)
    assert place.results() == whole.results()


@pytest.mark.parametrize("whole", [RECIPES[-1]], indirect=True, ids=["vctk"])
def test_the_papers_decoder_on_the_same_corpus(whole):
    whole.finish("--decoder", "wavenet", "--stage", "2")
    run = whole.run.with_name("vctk64-wavenet")
    results = (run / "RESULTS.md").read_text()
    assert "codes shuffled" in results
    assert "| s5/s5_" in results
    assert json.loads((run / CARD).read_text())["speakers"] == ["p225", "p226", "p227", "s5"]
    assert len(list((run / "converted").rglob("*.decoded.wav"))) == 2


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_wrong_usage_is_told(recipe):
    done = subprocess.run([recipe.script, "--nonsense", "1"], capture_output=True)
    assert done.returncode == 2
    assert b"usage" in done.stderr
