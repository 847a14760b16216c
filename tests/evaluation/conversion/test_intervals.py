import math

import numpy as np
import pytest

from vqaudio.evaluation.conversion.intervals import figure


def test_a_mean_of_what_is_defined_and_has_weight():
    told = figure([1.0, math.nan, 4.0, 9.0], [1, 1, 2, 0], "abcd", "xxyy")
    assert told["mean"] == pytest.approx(3)
    assert told["count"] == 2
    assert 1 <= told["low"] <= 3 <= told["high"] <= 4
    assert figure([2.0], [1.0], "a", "x") == {"mean": 2, "low": None, "high": None, "count": 1}
    assert figure([math.nan], [1.0], "a", "x")["mean"] is None


def test_an_interval_is_wide_where_voices_are_few():
    """40 values: of one voice each, of four voices that differ, and of four by another four."""
    values = np.arange(40) % 4 > 1
    ones = np.ones(40)
    width = {}
    for name, factors in {
        "all apart": [range(40)],
        "four": [np.arange(40) % 4],
        "crossed": [np.arange(40) % 4, np.arange(40) // 10],
    }.items():
        told = figure(values, ones, *factors)
        assert told["mean"] == 0.5
        width[name] = told["high"] - told["low"]
    assert width["all apart"] == pytest.approx(4 * 0.5 / math.sqrt(40), rel=0.15)
    assert width["four"] > 2 * width["all apart"]
    assert width["crossed"] >= width["four"]
