"""Two voices in many clips, and codecs that convert, or tell who speaks, as well as can be."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import soundfile
import torch

from tests.conftest import SPEECH
from vqaudio.data.manifest import Corpus, CorpusWriter

RATE = 16000
FILES = {"english/ann": "1455-134435-0000.flac", "english/bob": "2414-128291-0005.flac"}
SPEAKERS = tuple(FILES)


def recording(speaker: str) -> np.ndarray:
    return soundfile.read(SPEECH / FILES[speaker], dtype="float32")[0]


def cut_corpus(
    out: Path,
    seconds: float,
    start: float = 0.0,
    stop: float = 60.0,
    speakers: Sequence[str] = SPEAKERS,
) -> Corpus:
    """A prepared corpus of what they say between two moments, in clips of so many seconds."""
    writer = CorpusWriter(out, RATE)
    for speaker in speakers:
        wave = recording(speaker)[round(start * RATE) : round(stop * RATE)]
        length = round(seconds * RATE)
        for number in range(len(wave) // length):
            id = f"{speaker}/{start:g}-{number}"
            writer.add(
                wave[number * length :][:length],
                id=id,
                path=f"{id}.flac",
                speaker=speaker,
                level=-20.0,
                sha256="0",
            )
    writer.close()
    return Corpus(out)


class _Codes:
    """Of rows of waves: whatever the codec says, a code for 64 samples."""

    def __init__(self, waves: np.ndarray, indices: np.ndarray):
        self.waves, self.indices = waves, torch.from_numpy(indices)


class Impostor:
    """Whatever is said, a recording of the speaker who is asked for; without speakers, the wave."""

    model = SimpleNamespace(codebook_size=2, hop=64)

    def __init__(self, speakers: Sequence[str] = SPEAKERS):
        self.speakers = tuple(speakers)

    def encode(self, waves: np.ndarray, sample_rate: int) -> _Codes:
        waves = np.atleast_2d(waves)
        return _Codes(waves, self.codes_of(waves))

    def codes_of(self, waves: np.ndarray) -> np.ndarray:
        return np.zeros((len(waves), waves.shape[1] // 64), np.int64)

    def decode(self, codes: _Codes, speaker: str | None = None) -> torch.Tensor:
        if not self.speakers:
            return torch.from_numpy(codes.waves)
        assert speaker in self.speakers
        return torch.from_numpy(recording(speaker)[None, -codes.waves.shape[1] :].copy())


class Telltale(Impostor):
    """Codes of ann's stretches are mostly 0, of bob's mostly 1."""

    def codes_of(self, waves: np.ndarray) -> np.ndarray:
        random = np.random.default_rng(0)
        ann = recording(SPEAKERS[0])
        rows = []
        for wave in waves:
            found = np.flatnonzero(ann == wave[0])
            is_ann = any(np.array_equal(ann[at : at + 50], wave[:50]) for at in found)
            rows.append(random.random(len(wave) // 64) < (0.2 if is_ann else 0.8))
        return np.array(rows, np.int64)
