"""How sure a figure is whose values share voices or clips."""

from collections.abc import Sequence

import numpy as np

RESAMPLES = 2000


def figure(values: Sequence[float], weights: Sequence[float], *factors: Sequence[str]) -> dict:
    """Weighted mean, 95 % interval and number of values; those that are nan or have no weight are left
    out. mean is None where nothing is left, low and high where that is no more than one.

    factors: names, one for each value, such as its source voice, and its target voice. The interval
    is by drawing names of every factor, independently and with replacement (the pigeonhole bootstrap
    of Owen 2007): what one voice says, or how well it can be met, is not news in every pair. It is
    wide rather than narrow.
    """
    values, weights = np.asarray(values, float), np.asarray(weights, float)
    there = np.isfinite(values) & np.isfinite(weights) & (weights > 0)
    values, weights = values[there], weights[there]
    if not len(values):
        return {"mean": None, "low": None, "high": None, "count": 0}
    mean = float((values * weights).sum() / weights.sum())
    low = high = None
    if len(values) > 1:
        random = np.random.default_rng(0)
        counts = weights * np.prod([_draws(names, there, random) for names in factors], axis=0)
        totals = counts.sum(axis=1)
        drawn = totals > 0
        means = (counts * values).sum(axis=1)[drawn] / totals[drawn]
        low, high = (float(end) for end in np.quantile(means, [0.025, 0.975]))
    return {"mean": mean, "low": low, "high": high, "count": len(values)}


def _draws(names: Sequence[str], there: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """How often the name of each value is drawn, [RESAMPLES, values]."""
    _, number = np.unique(np.array([*names])[there], return_inverse=True)
    size = number.max() + 1
    return random.multinomial(size, np.full(size, 1 / size), RESAMPLES)[:, number]
