"""Stretches of speech of one length, of many speakers: what a speaker shall be told from."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vqaudio.evaluation.conversion.voices import Take, shuffled
from vqaudio.evaluation.metrics import SAMPLE_RATE

TESTED = 3
"""Of so many clips of a speaker, and of their stretches, one is for the test."""


class Stretch(NamedTuple):
    """pieces: (clip, first sample, last) that make it together; taught: whether it teaches the
    classifier. Clips that teach are other clips than those of the test."""

    speaker: str
    pieces: tuple[tuple[Take, int, int], ...]
    taught: bool

    @property
    def clip(self) -> str:
        """Of which it is, or its first piece."""
        return self.pieces[0][0].clip.id

    def wave(self) -> np.ndarray:
        return np.concatenate(
            [take.corpus.samples(take.clip, first, last) for take, first, last in self.pieces]
        )


def stretches_of(
    takes: dict[str, list[Take]], seconds: float, most: int, seed: int = 0
) -> list[Stretch]:
    """Up to `most` of each speaker, drawn from all of theirs; fewer of who says less.

    Clips that are shorter than `seconds` are put one after the other.
    """
    found: list[Stretch] = []
    for speaker, own in takes.items():
        random = np.random.default_rng(seed)
        clips = shuffled(own, random)
        for share, teaches in ((most - most // TESTED, True), (most // TESTED, False)):
            some = [take for i, take in enumerate(clips) if (i % TESTED > 0) == teaches]
            cut = _cut(some, round(seconds * SAMPLE_RATE))
            kept = random.permutation(len(cut))[:share]
            found += [Stretch(speaker, tuple(cut[i]), teaches) for i in kept]
    return found


def _cut(takes: Sequence[Take], length: int) -> list[list[tuple[Take, int, int]]]:
    """All that is said, in pieces that make `length` together; the rest is left."""
    cut: list[list[tuple[Take, int, int]]] = []
    pieces: list[tuple[Take, int, int]] = []
    missing = length
    for take in takes:
        first = 0
        while first < take.clip.num_samples:
            last = min(first + missing, take.clip.num_samples)
            pieces.append((take, first, last))
            missing -= last - first
            first = last
            if not missing:
                cut.append(pieces)
                pieces, missing = [], length
    return cut
