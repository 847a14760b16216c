"""Which clips are converted to which voices: the same choice for every model, from a seed."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vqaudio.evaluation.conversion.voices import Take, shuffled

SHORTEST_CLIP = 2.0
"""Seconds of a clip that is converted: in less, neither voice nor words can be judged."""


class Pair(NamedTuple):
    """voice: whose clip it is, a speaker, or of unheard voices the clip; target: a speaker."""

    take: Take
    voice: str
    target: str


def sources(
    takes: dict[str, list[Take]], known: Sequence[str]
) -> tuple[dict[str, list[Take]], list[str]]:
    """Clips that are long enough, by voice, and the speakers who have none.

    Of a speaker who is not `known` nothing is told by the name, which may stand for a crowd: each
    clip is a voice of its own.
    """
    voices: dict[str, list[Take]] = {}
    none = []
    for speaker, own in takes.items():
        long = [take for take in own if take.seconds >= SHORTEST_CLIP]
        if not long:
            none.append(speaker)
        elif speaker in known:
            voices[speaker] = long
        else:
            voices |= {take.clip.id: [take] for take in long}
    return voices, none


def choose(
    voices: dict[str, list[Take]], targets: Sequence[str], pairs: int, seed: int = 0
) -> list[Pair]:
    """For each voice `pairs` targets that are not that voice itself, fewer where there are no more,
    with its clips in turn. All targets come about equally often."""
    random = np.random.default_rng(seed)
    used = {targets[i]: 0 for i in random.permutation(len(targets))}
    chosen: list[Pair] = []
    for voice, takes in voices.items():
        clips = shuffled(takes, random)
        others = sorted((name for name in used if name != voice), key=used.get)[:pairs]
        for number, name in enumerate(others):
            chosen.append(Pair(clips[number % len(clips)], voice, name))
            used[name] += 1
    return chosen
