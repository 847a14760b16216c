"""Pairs converted, and everything they are compared with, each judged by voice and words."""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from vqaudio.codec import Codec
from vqaudio.evaluation.conversion.pairs import Pair
from vqaudio.evaluation.conversion.voices import Voices
from vqaudio.evaluation.metrics import METRICS, SAMPLE_RATE
from vqaudio.evaluation.metrics.speaker import embedding

ORIGINAL, TARGET = "original, unconverted", "another recording of the target"


class Sound(NamedTuple):
    """What a system made of a clip, float32 [T], and the pairs that it is the answer to: all of the
    clip's, where it does not depend on the target."""

    system: str
    pairs: Sequence[Pair]
    wave: np.ndarray


class Judged(NamedTuple):
    """A sound beside the voices of a pair.

    to_target, to_source: cosines, 0 where no voice could be heard; closest: whose voice, of all
    targets and the source, is the most alike, None where none was heard; words: error rate in
    percent, nan without words; num_words: in the original.
    """

    system: str
    pair: Pair
    to_target: float
    to_source: float
    closest: str | None
    words: float
    num_words: float

    @property
    def success(self) -> bool:
        return self.to_target > self.to_source

    @property
    def identified(self) -> bool:
        return self.closest == self.pair.target


class Judge:
    """Judges what systems make of the first `seconds` of clips.

    voices: of all known speakers; real: of each target, float [T], a recording that is no reference.
    """

    def __init__(self, voices: Voices, real: dict[str, np.ndarray], seconds: float):
        self.voices, self.seconds = voices, seconds
        self.targets = {name: voices.of(name) for name in real}
        self.real = {name: embedding(wave) for name, wave in real.items()}

    def run(
        self, pairs: Sequence[Pair], codecs: dict[str, Codec], english: Sequence[str]
    ) -> Iterator[list[Judged]]:
        """What every system comes to, clip by clip; nothing where a clip has too little speech.

        pairs: those of a clip together; english: folders of the clips whose words count.
        """
        for _, group in groupby(pairs, lambda pair: (pair.voice, pair.take.clip.id)):
            group = list(group)
            take = group[0].take
            original = take.wave(self.seconds)
            source = self.voices.of(group[0].voice)
            source = embedding(original) if source is None else source
            if source is None:
                yield []
                continue
            with_words = METRICS["wer"].missing() is None and is_under(take.clip.id, english)
            judged: list[Judged] = []
            for sound in self._sounds(group, original, codecs):
                judged += self._judge(sound, original, source, with_words)
            for pair in group:
                found = self.real[pair.target]
                judged.append(self._compare(TARGET, pair, found, source, math.nan, 0.0))
            yield judged

    def _sounds(
        self, pairs: Sequence[Pair], original: np.ndarray, codecs: dict[str, Codec]
    ) -> Iterator[Sound]:
        yield Sound(ORIGINAL, pairs, original)
        speaker = pairs[0].take.clip.speaker
        for name, codec in codecs.items():
            codes = codec.encode(original, SAMPLE_RATE)
            if not codec.speakers:
                yield Sound(name, pairs, codec.decode(codes)[0].numpy())
                continue
            if speaker in codec.speakers:
                wave = codec.decode(codes, speaker=speaker)[0].numpy()
                yield Sound(own_voice(name), pairs, wave)
            for pair in pairs:
                wave = codec.decode(codes, speaker=pair.target)[0].numpy()
                yield Sound(converted(name), [pair], wave)

    def _judge(
        self, sound: Sound, original: np.ndarray, source: np.ndarray, with_words: bool
    ) -> list[Judged]:
        found = embedding(sound.wave)
        words, num_words = math.nan, 0.0
        if with_words:
            metric = METRICS["wer"]
            words, _ = metric.score(original, sound.wave)
            num_words = metric.weight(original)
        return [
            self._compare(sound.system, pair, found, source, words, num_words)
            for pair in sound.pairs
        ]

    def _compare(
        self,
        system: str,
        pair: Pair,
        found: np.ndarray | None,
        source: np.ndarray,
        words: float,
        num_words: float,
    ) -> Judged:
        known = {**self.targets, pair.voice: source}
        alike = {name: float(found @ voice) for name, voice in known.items() if found is not None}
        closest = max(alike, key=alike.get, default=None)
        to_target, to_source = (alike.get(name, 0.0) for name in (pair.target, pair.voice))
        return Judged(system, pair, to_target, to_source, closest, words, num_words)


def converted(name: str) -> str:
    return f"{name}, converted"


def own_voice(name: str) -> str:
    return f"{name}, the speaker's own voice"


def is_under(id: str, folders: Sequence[str]) -> bool:
    """Whether a clip is in one of those folders; in none given is everywhere."""
    return not folders or any(
        id == name or id.startswith(name.rstrip("/") + "/") for name in folders
    )
