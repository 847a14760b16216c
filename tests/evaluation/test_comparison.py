import math

import numpy as np
import pytest

from vqaudio.evaluation.coding import Clip
from vqaudio.evaluation.comparison import FEWEST, differences
from vqaudio.evaluation.judging import Judged
from vqaudio.evaluation.summary import statistics


def judged(codec, scores, weights=None, metric="pesq_wb"):
    """A codec's clips; a score of None is a clip that it failed on."""
    return [
        Judged(
            Clip(codec, f"{number}.wav", f"{number}.wav", 0, 1, 1.0, 1, 0.1, 0.1, None),
            {metric: score},
            {} if weights is None else {metric: weights[number]},
            [],
            [],
        )
        for number, score in enumerate(scores)
        if score is not None
    ]


def gap(first, other, metric="pesq_wb", weights=None):
    clips = judged("a", first, weights, metric) + judged("b", other, weights, metric)
    return differences(["a", "b"], clips, [metric])["b"][metric]


@pytest.fixture
def hard():
    """How well any codec does on 30 clips: they differ more than codecs do."""
    return np.random.default_rng(0).normal(2.5, 0.8, 30)


def test_clips_are_compared_with_themselves(hard):
    noise = np.random.default_rng(1).normal(0, 0.05, 30)
    ours, theirs = hard + 0.1 + noise, hard
    found = gap(ours, theirs)
    assert found["mean"] == pytest.approx(ours.mean() - theirs.mean())
    assert 0 < found["low"] < 0.1 + noise.mean() < found["high"]
    # Where the means alone leave it open:
    assert statistics(ours)["low"] < statistics(theirs)["high"]
    assert found["verdict"] == "better"
    assert gap(theirs, ours)["verdict"] == "worse"


def test_lower_may_be_better(hard):
    assert gap(hard + 0.1, hard, "mel_distance")["verdict"] == "worse"
    assert gap(hard, hard + 0.1, "mel_distance")["verdict"] == "better"


def test_chance_decides_nothing(hard):
    assert gap(hard, hard)["verdict"] == "undecided"
    assert gap(hard, hard + np.tile([-0.1, 0.1], 15))["verdict"] == "undecided"
    for clips, verdict in ((FEWEST - 1, "undecided"), (FEWEST, "better")):
        assert gap([2.0] * clips, [1.0] * clips)["verdict"] == verdict
    assert gap([2.0], [1.0]) == {
        **{"mean": 1.0, "low": None, "high": None, "clips": 1},
        "verdict": "undecided",
    }


def test_it_is_wrong_as_seldom_as_it_says():
    generator = np.random.default_rng(2)
    wrong = sum(
        gap(*generator.normal(0, 1, (2, 20)), weights=generator.integers(1, 30, 20))["verdict"]
        != "undecided"
        for _ in range(200)
    )
    assert wrong < 24


def test_only_clips_that_both_have_count():
    found = gap([3.0, 9.0, None, 2.0, math.nan], [1.0, None, 9.0, 1.0, 5.0])
    assert (found["mean"], found["clips"]) == (1.5, 2)
    nothing = gap([None, 1.0], [1.0, None])
    assert (nothing["mean"], nothing["clips"], nothing["verdict"]) == (None, 0, None)


def test_clips_weigh_what_they_weigh():
    """10 words of which 1 is wrong more, 2 words of which 2 are wrong less: 1 less of 12."""
    found = gap([20.0, 0.0], [10.0, 100.0], "wer", weights=[10.0, 2.0])
    assert found["mean"] == pytest.approx(-100 / 12)
