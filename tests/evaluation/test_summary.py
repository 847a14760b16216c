import math

import numpy as np
import pytest

from vqaudio.evaluation.summary import codebook, interval, statistics


def test_interval():
    values = np.random.default_rng(1).standard_normal(400)
    low, high = interval(values)
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 / 20, rel=0.15)


def test_clips_weigh_what_they_weigh():
    """1 word wrong of 10, and 3 of 2: 4 of 12, not the mean of 10 % and 150 %."""
    scores = statistics([10.0, 150.0], [10, 2])
    assert scores["mean"] == pytest.approx(100 * 4 / 12)
    assert (scores["low"], scores["high"]) == (10.0, 150.0)
    same = np.random.default_rng(2).standard_normal(50)
    assert statistics(same, np.full(50, 7.0)) == pytest.approx(statistics(same))


def test_a_weighted_interval_covers_as_often_as_it_says():
    generator = np.random.default_rng(3)
    hits = 0
    for _ in range(100):
        weights = generator.integers(1, 30, 60)
        low, high = interval(generator.normal(5, 2, 60), weights)
        hits += low < 5 < high
    assert hits >= 87


def test_what_is_not_defined_does_not_count():
    scores = statistics([1.0, math.nan, 3.0, 9.0, 9.0], [1, 1, 1, 0, math.nan])
    assert (scores["mean"], scores["clips"]) == (2.0, 2)
    nothing = {"mean": None, "low": None, "high": None, "clips": 0}
    assert statistics([math.nan]) == statistics([]) == nothing


def test_one_clip_has_no_interval():
    assert statistics([3.0, math.nan]) == {"mean": 3.0, "low": None, "high": None, "clips": 1}


def test_codebook_use():
    book = codebook([np.array([4, 0, 0, 2]), np.array([0, 0, 0, 2])])
    assert book == {"size": 4, "used": 0.5, "perplexity": pytest.approx(2.0)}
    assert codebook([None, None]) is None
    assert codebook([]) is None
