"""What a prior makes up, beside real codes: the same codes as often, as long, and no mere copies."""

from collections.abc import Mapping, Sequence

import numpy as np

from vqaudio.codes import Codes
from vqaudio.evaluation.priors.scores import Bits

LONGEST_RUN = 32
"""Runs of equal codes that are longer count as this long."""
GRAM = 8
"""Codes in a row that count as copied when the training set has them too."""
_AT_ONCE = 1 << 20
_BITS = 22


class Reference:
    """Real codes that others are compared with.

    clips: integers [N] each, in [0, codebook_size).
    """

    def __init__(self, clips: Sequence[np.ndarray], codebook_size: int):
        self.clips, self.codebook_size = clips, codebook_size
        self.codes = code_histogram(clips, codebook_size)
        self.runs = run_histogram(clips)


def describe(codes: Codes, reference: Reference, judges: Mapping[str, Bits]) -> dict:
    """Distances from the reference, in bits, and mean bits per code by each judge, as JSON types."""
    rows = codes.indices.numpy()
    return {
        "code_distance": divergence(code_histogram(rows, reference.codebook_size), reference.codes),
        "run_distance": divergence(run_histogram(rows), reference.runs),
        "bits_per_code": {name: float(bits(codes).mean()) for name, bits in judges.items()},
    }


def code_histogram(rows: Sequence[np.ndarray], codebook_size: int) -> np.ndarray:
    """How often each code is there: int64 [K]."""
    return np.sum([np.bincount(row, minlength=codebook_size) for row in rows], axis=0)


def run_histogram(rows: Sequence[np.ndarray]) -> np.ndarray:
    """How often a code comes once, twice... in a row: int64 [LONGEST_RUN], the first for once."""
    total = np.zeros(LONGEST_RUN + 1, np.int64)
    for row in rows:
        starts = np.flatnonzero(np.diff(row.astype(np.int64), prepend=-1))
        runs = np.diff(starts, append=len(row))
        total += np.bincount(np.minimum(runs, LONGEST_RUN), minlength=LONGEST_RUN + 1)
    return total[1:]


def divergence(first: np.ndarray, second: np.ndarray) -> float:
    """Jensen-Shannon divergence of two histograms in bits (Lin 1991): 0 for equal shares, 1 where
    nothing is in both. Few counts alone keep it from being 0."""
    shares = np.stack([first / first.sum(), second / second.sum()])
    mean = np.broadcast_to(shares.mean(axis=0), shares.shape)
    there = shares > 0
    return float((shares[there] * np.log2(shares[there] / mean[there])).sum() / 2)


def copied(samples: Sequence[np.ndarray], train: Sequence[np.ndarray], codebook_size: int) -> float:
    """Share of the stretches of GRAM codes in `samples` that are found in `train` too.

    Stretches are compared by 64-bit sums of random numbers for each place and code: two that differ
    count as equal once in 10^19 times.
    """
    random = np.random.default_rng(0)
    numbers = random.integers(2**64, size=(GRAM, codebook_size + 1), dtype=np.uint64)
    numbers[:, codebook_size] = random.integers(2**64, dtype=np.uint64)
    wanted = np.concatenate([_hashes(row, numbers) for row in samples])
    distinct, places = np.unique(wanted, return_inverse=True)
    found = np.zeros(len(distinct), bool)
    # Nearly all stretches are dismissed by a look at some of their bits.
    maybe = np.zeros(1 << _BITS, bool)
    maybe[distinct >> np.uint64(64 - _BITS)] = True
    # A code that no sample has stands between clips, so that no stretch runs across.
    gap = np.array([codebook_size])
    for some in _batches(train):
        hashes = _hashes(np.concatenate([part for clip in some for part in (clip, gap)]), numbers)
        hashes = hashes[maybe[hashes >> np.uint64(64 - _BITS)]]
        found |= np.isin(distinct, hashes)
    return float(found[places].mean()) if len(wanted) else 0.0


def real_crops(clips: Sequence[np.ndarray], count: int, length: int, seed: int) -> np.ndarray:
    """`count` stretches of real clips, every place in them as likely: int64 [count, length].

    Clips that are shorter are strung together where no clip is as long.
    """
    random = np.random.default_rng(seed)
    rows = [clip for clip in clips if len(clip) >= length] or [np.concatenate(clips)]
    if len(rows[0]) < length:
        rows = [np.resize(rows[0], length)]
    places = np.array([len(row) - length + 1 for row in rows])
    ends = places.cumsum()
    crops = []
    for place in random.integers(ends[-1], size=count):
        n = int(np.searchsorted(ends, place, side="right"))
        start = place - (ends[n] - places[n])
        crops.append(rows[n][start : start + length])
    return np.stack(crops).astype(np.int64)


def unigram_samples(histogram: np.ndarray, count: int, length: int, seed: int) -> np.ndarray:
    """Codes drawn by their frequencies alone: int64 [count, length]."""
    random = np.random.default_rng(seed)
    shares = histogram / histogram.sum()
    return random.choice(len(histogram), size=(count, length), p=shares)


def shuffled(rows: np.ndarray, seed: int) -> np.ndarray:
    """The same codes in random order."""
    return np.random.default_rng(seed).permutation(rows.ravel()).reshape(rows.shape)


def _hashes(row: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Of every stretch of GRAM codes, uint64."""
    count = max(len(row) - GRAM + 1, 0)
    total = np.zeros(count, np.uint64)
    for place in range(GRAM):
        total += numbers[place][row[place : place + count]]
    return total


def _batches(clips: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
    """Clips of some _AT_ONCE codes together, which bounds the memory that they take."""
    batches: list[list[np.ndarray]] = [[]]
    size = 0
    for clip in clips:
        if size > _AT_ONCE:
            batches.append([])
            size = 0
        batches[-1].append(clip)
        size += len(clip)
    return batches
