"""Who is heard at a step of training: rows of a batch, and for each a speaker and one of his clips."""

from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

import numpy as np

Clip = TypeVar("Clip")


def rows_of_rank(batch_size: int, rank: int, world_size: int) -> range:
    """The rows of a batch over all ranks that are this rank's. ValueError if they do not divide."""
    if batch_size % world_size:
        raise ValueError(f"batch_size {batch_size} does not divide by {world_size} ranks")
    per_rank = batch_size // world_size
    return range(rank * per_rank, (rank + 1) * per_rank)


class SpeakerBalance(Generic[Clip]):
    """Draws clips: a speaker with probability proportional to `length ** power`, where length is all
    that he says, then one of his clips with probability proportional to its length.

    Below a power of 1, a corpus in which few speakers say most of it still teaches many voices.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        speakers: Sequence[Hashable],
        lengths: Sequence[int],
        power: float,
    ):
        of_speaker: dict[Hashable, list[int]] = {}
        for number, speaker in enumerate(speakers):
            of_speaker.setdefault(speaker, []).append(number)
        self._clips = [[clips[n] for n in numbers] for numbers in of_speaker.values()]
        self._ends = [np.cumsum([lengths[n] for n in numbers]) for numbers in of_speaker.values()]
        weights = np.array([ends[-1] for ends in self._ends], dtype=np.float64) ** power
        self._speaker_ends = np.cumsum(weights / weights.sum())

    def draw(self, random: np.random.Generator) -> Clip:
        """Takes one float and one integer from `random`."""
        speaker = int(np.searchsorted(self._speaker_ends, random.random()))
        speaker = min(speaker, len(self._clips) - 1)  # rounding: the last end may be < 1
        ends = self._ends[speaker]
        number = int(np.searchsorted(ends, random.integers(ends[-1]), side="right"))
        return self._clips[speaker][number]
