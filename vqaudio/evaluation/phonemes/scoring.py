"""Each code as the phone it most often stands for: how often that is right, for other speakers."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

RESAMPLES = 1000


class Frames(NamedTuple):
    """Moments of a corpus, one a code.

    phones: int64 [M], numbers of labels; speakers: int64 [M]; halves: int64 [M], 0 or 1.
    """

    phones: np.ndarray
    speakers: np.ndarray
    halves: np.ndarray

    def only(self, mask: np.ndarray) -> "Frames":
        return Frames(*(values[mask] for values in self))


def half_of(speakers: Sequence[str]) -> dict[str, int]:
    """0 or 1 for each: every second by a hash of the name, so that the order says nothing."""
    names = sorted(set(speakers), key=lambda name: hashlib.sha256(name.encode()).digest())
    return {name: number % 2 for number, name in enumerate(names)}


def mapping(codes: np.ndarray, phones: np.ndarray, num_codes: int) -> np.ndarray:
    """int64 [K]: the phone that a code most often goes with; of codes never seen, the most frequent
    phone of all."""
    num_phones = int(phones.max()) + 1
    table = np.bincount(codes * num_phones + phones, minlength=num_codes * num_phones)
    table = table.reshape(num_codes, num_phones)
    best = table.argmax(axis=1)
    best[table.sum(axis=1) == 0] = table.sum(axis=0).argmax()
    return best


def score(codes: Sequence[np.ndarray], num_codes: int, frames: Frames, seed: int = 0) -> dict:
    """Accuracy where one half of the speakers is scored with the mapping of the other, both ways.

    codes: of each moment, int64 [M], as they are where half 0 teaches the mapping, and where half 1
    does. Returns accuracy, low and high (95 %, by drawing speakers), and codes, used by the scored.
    """
    right = np.zeros(len(frames.phones), dtype=bool)
    used = []
    for teacher, values in enumerate(codes):
        taught = frames.halves == teacher
        phone_of = mapping(values[taught], frames.phones[taught], num_codes)
        right[~taught] = phone_of[values[~taught]] == frames.phones[~taught]
        used.append(len(np.unique(values[~taught])))
    low, high = _interval(right, frames.speakers, seed)
    return {"accuracy": float(right.mean()), "low": low, "high": high, "codes_used": max(used)}


def _interval(right: np.ndarray, speakers: np.ndarray, seed: int) -> tuple[float, float]:
    """Bootstrap over speakers: what is said by one voice is not independent."""
    _, speakers = np.unique(speakers, return_inverse=True)
    totals = np.bincount(speakers)
    hits = np.bincount(speakers, weights=right)
    drawn = np.random.default_rng(seed).integers(len(totals), size=(RESAMPLES, len(totals)))
    low, high = np.percentile(hits[drawn].sum(1) / totals[drawn].sum(1), [2.5, 97.5])
    return float(low), float(high)
