"""Voices as recordings tell them: who can be converted to, and what each sounds like."""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from vqaudio.data.manifest import Clip, Corpus
from vqaudio.errors import VqaudioError
from vqaudio.evaluation.metrics import SAMPLE_RATE
from vqaudio.evaluation.metrics.speaker import embedding

REFERENCE_SECONDS = 30
"""Of a speaker's recordings, that their voice is taken from, at most."""


class Take(NamedTuple):
    """A clip and the corpus that it is in."""

    corpus: Corpus
    clip: Clip

    @property
    def seconds(self) -> float:
        return self.clip.num_samples / self.clip.sample_rate

    def wave(self, seconds: float | None = None) -> np.ndarray:
        """float32 [T]: the first `seconds`, or all."""
        stop = None if seconds is None else round(seconds * SAMPLE_RATE)
        return self.corpus.samples(self.clip, 0, stop and min(stop, self.clip.num_samples))


def check_rate(corpus: Corpus) -> None:
    """Raises VqaudioError unless it has the rate that voices and words are judged at."""
    if corpus.sample_rate != SAMPLE_RATE:
        raise VqaudioError(f"the corpus has {corpus.sample_rate} Hz, not {SAMPLE_RATE}")


def takes_of(corpora: Sequence[Corpus]) -> dict[str, list[Take]]:
    """By speaker, in order of their names."""
    found: dict[str, list[Take]] = {}
    for corpus in corpora:
        for clip in corpus.clips:
            found.setdefault(clip.speaker, []).append(Take(corpus, clip))
    return dict(sorted(found.items()))


def enough(takes: dict[str, list[Take]], seconds: float) -> tuple[list[str], list[str]]:
    """Speakers with so much sound or more, and the others."""
    has = {name: sum(take.seconds for take in own) for name, own in takes.items()}
    return (
        [name for name in has if has[name] >= seconds],
        [name for name in has if has[name] < seconds],
    )


def glued(takes: Iterable[Take], seconds: float) -> tuple[np.ndarray, list[Take]]:
    """Clips one after the other, [T], until they make `seconds`, where they are cut; and which."""
    used: list[Take] = []
    waves: list[np.ndarray] = []
    missing = round(seconds * SAMPLE_RATE)
    for take in takes:
        if missing <= 0:
            break
        used.append(take)
        waves.append(take.wave()[:missing])
        missing -= len(waves[-1])
    return np.concatenate(waves or [np.zeros(0, np.float32)]), used


def shuffled(takes: Sequence[Take], random: np.random.Generator) -> list[Take]:
    return [takes[i] for i in random.permutation(len(takes))]


class Voices:
    """What known speakers sound like: an embedding of up to REFERENCE_SECONDS of their clips.

    takes: by speaker, those that references come from; judged: takes that are none of them.
    """

    def __init__(self, takes: dict[str, list[Take]], judged: Collection[Take], seed: int = 0):
        self.takes, self.seed = takes, seed
        self._judged = {_place(take) for take in judged}
        self._found: dict[str, np.ndarray | None] = {}

    def of(self, speaker: str) -> np.ndarray | None:
        """float32 [256]; None for who is not known, or hardly heard besides what is judged."""
        if speaker not in self._found:
            own = shuffled(self.takes.get(speaker, ()), np.random.default_rng(self.seed))
            others = (take for take in own if _place(take) not in self._judged)
            wave, _ = glued(others, REFERENCE_SECONDS)
            self._found[speaker] = embedding(wave)
        return self._found[speaker]


def _place(take: Take) -> tuple[int, int]:
    return id(take.corpus), take.clip.offset
