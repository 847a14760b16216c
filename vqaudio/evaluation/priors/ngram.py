"""n-gram models of codes: what a prior without a network gets out of the codes before."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class _Level(NamedTuple):
    """One order of a model, sorted by key; `weights` is what a context leaves for lower orders.

    keys: of n-grams, int64; shares: of each, discounted count over that of its context, float32;
    contexts: keys of contexts, int64; weights: float32.
    """

    keys: np.ndarray
    shares: np.ndarray
    contexts: np.ndarray
    weights: np.ndarray


class NGram:
    """Interpolated Kneser-Ney with three discounts (Chen and Goodman 1999, "modified").

    clips: uint16 [N] each, codes in [0, codebook_size); order: codes that a count spans, up to 3: 1
    for frequencies alone. What comes before a clip is a code of its own. Orders below the highest
    count in how many contexts an n-gram is found, not how often. 34 M codes take a minute and 2 GiB.
    """

    def __init__(self, clips: Sequence[np.ndarray], order: int, codebook_size: int):
        if not 1 <= order <= 3:
            raise ValueError(f"order must be 1, 2 or 3, not {order}")
        self.order, self.codebook_size = order, codebook_size
        self.base = codebook_size + 1
        keys, counts = np.unique(self._keys(clips, order), return_counts=True)
        self.levels: list[_Level] = []
        for length in range(order, 0, -1):
            self.levels.append(_level(keys, counts, self.base))
            keys, counts = np.unique(keys % self.base ** (length - 1), return_counts=True)
        self.levels.reverse()

    def bits(self, clip: np.ndarray) -> np.ndarray:
        """What each code of a clip costs, -log2 of its probability: float64 [N]."""
        probability = np.full(len(clip), 1 / self.codebook_size)
        for length, level in enumerate(self.levels, 1):
            keys = self._keys([clip], length)
            weights = _find(level.contexts, level.weights, keys // self.base, 1.0)
            probability = _find(level.keys, level.shares, keys, 0.0) + weights * probability
        return -np.log2(probability)

    def _keys(self, clips: Sequence[np.ndarray], length: int) -> np.ndarray:
        """Every code with the `length` - 1 before it, as one number, the oldest code first."""
        start = np.full(length - 1, self.codebook_size, np.int64)
        row = np.concatenate([part for clip in clips for part in (start, clip)], dtype=np.int64)
        ends = np.cumsum([len(clip) + length - 1 for clip in clips])
        keys = np.zeros(max(len(row) - length + 1, 0), np.int64)
        for offset in range(length):
            keys *= self.base
            keys += row[offset : offset + len(keys)]
        # Those that run from one clip into the next are none.
        across = (ends[:-1, None] - np.arange(1, length)).ravel()
        return np.delete(keys, across)


def _level(keys: np.ndarray, counts: np.ndarray, base: int) -> _Level:
    """keys: sorted, each once; counts: of each."""
    discounts = _discounts(counts)[np.minimum(counts, 3)]
    of_key = keys // base
    starts = np.flatnonzero(np.diff(of_key, prepend=-1))
    totals = np.add.reduceat(counts, starts)
    weights = np.add.reduceat(discounts, starts) / totals
    shares = (counts - discounts) / np.repeat(totals, np.diff(starts, append=len(keys)))
    return _Level(keys, shares.astype(np.float32), of_key[starts], weights.astype(np.float32))


def _discounts(counts: np.ndarray) -> np.ndarray:
    """What is taken off counts of 0, 1, 2, and 3 or more."""
    once, twice, thrice, four_times = np.bincount(np.minimum(counts, 5), minlength=6)[1:5]
    if not (once and twice and thrice):  # too few counts to estimate from, or too many
        return np.array([0, 0.5, 0.5, 0.5])
    share = once / (once + 2 * twice)
    discounts = [
        1 - 2 * share * twice / once,
        2 - 3 * share * thrice / twice,
        3 - 4 * share * four_times / thrice,
    ]
    return np.array([0, *np.clip(discounts, 0.1, [0.95, 1.9, 2.9])])


def _find(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray, other: float) -> np.ndarray:
    """The value of each wanted key, float64; `other` where there is no such key."""
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, values[places], other).astype(np.float64)
