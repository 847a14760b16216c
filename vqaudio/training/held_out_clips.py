"""Which clips of a corpus are judged while a model trains."""

from collections.abc import Container

import torch
from torch import Tensor

from vqaudio.data.manifest import Corpus
from vqaudio.errors import ModelError
from vqaudio.level import gain_for

SpokenWave = tuple[Tensor, str]
"""float32 [T], and who speaks."""


def beginnings(corpus: Corpus, unit: int, clips: int, seconds: float) -> list[SpokenWave]:
    """The first `seconds` of up to `clips` clips, spread over the corpus, at the level that models
    work at: whole multiples of `unit` samples, and nothing of what is shorter."""
    waves = []
    long_enough = [clip for clip in corpus.clips if clip.num_samples >= unit]
    count = min(clips, len(long_enough))
    for i in range(count):
        clip = long_enough[i * len(long_enough) // count]
        length = min(clip.num_samples, round(seconds * corpus.sample_rate)) // unit * unit
        wave = torch.from_numpy(corpus.samples(clip, 0, length))
        waves.append((gain_for(clip.level) * wave, clip.speaker))
    return waves


def of_speakers(waves: list[SpokenWave], speakers: Container[str] | None) -> list[SpokenWave]:
    """Those by `speakers`, whom a model knows; all of them for a model that is not told. Raises
    ModelError if there are none."""
    known = [one for one in waves if not speakers or one[1] in speakers]
    if not waves:
        raise ModelError("no held-out clip is long enough to judge by")
    if not known:
        raise ModelError("none of the held-out clips is by a speaker that the model knows")
    return known
