"""A prepared corpus: JSON lines that describe clips, and one flat file that holds their samples.

`PATH/clips.jsonl` has one clip a line, `PATH/samples.s16` the 16-bit samples of all clips one after
the other at one rate. Decoding happens once; training then reads crops through a memory map, which
costs no more than the pages touched and is shared by all workers and ranks.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from vqaudio.errors import AudioError

CLIPS, SAMPLES = "clips.jsonl", "samples.s16"


@dataclass(frozen=True)
class Clip:
    """`offset` and `num_samples` place the clip in the samples file; `sha256` is the source file's;
    `level` is in dB re full scale, as `level.LevelMeter` measures it."""

    id: str
    path: str
    speaker: str
    offset: int
    num_samples: int
    sample_rate: int
    level: float
    sha256: str


class Corpus:
    """The clips of a prepared folder and their samples.

    Raises AudioError if the folder is not a prepared corpus or does not hold what it lists.
    """

    def __init__(self, directory: Path | str):
        directory = Path(directory)
        try:
            lines = (directory / CLIPS).read_text().splitlines()
            self.clips = [Clip(**json.loads(line)) for line in lines]
            self._samples = np.memmap(directory / SAMPLES, dtype="<i2", mode="r")
        except (OSError, TypeError, ValueError) as error:
            raise AudioError(f"{directory} is not a prepared corpus: {error}") from error
        if not self.clips:
            raise AudioError(f"{directory} holds no clips")
        last = self.clips[-1]
        if last.offset + last.num_samples != len(self._samples):
            raise AudioError(f"{directory}: {CLIPS} and {SAMPLES} do not belong together")

    @property
    def sample_rate(self) -> int:
        return self.clips[0].sample_rate

    @property
    def hours(self) -> float:
        return len(self._samples) / self.sample_rate / 3600

    def samples(self, clip: Clip, start: int = 0, stop: int | None = None) -> np.ndarray:
        """float32 [stop - start] in [-1, 1), as recorded; the range is within the clip."""
        stop = clip.num_samples if stop is None else stop
        piece = self._samples[clip.offset + start : clip.offset + stop]
        return piece.astype(np.float32) / 32768


class CorpusWriter:
    """Writes a prepared corpus clip by clip; nothing appears under its names until `close`."""

    def __init__(self, directory: Path, sample_rate: int):
        directory.mkdir(parents=True, exist_ok=True)
        self.directory, self.sample_rate = directory, sample_rate
        self.clips: list[Clip] = []
        self._offset = 0
        self._samples = (directory / (SAMPLES + ".part")).open("wb")

    def add(
        self, wave: np.ndarray, *, id: str, path: str, speaker: str, level: float, sha256: str
    ) -> None:
        """wave: float [T] at the corpus's rate."""
        self._samples.write((wave * 32768).round().clip(-32768, 32767).astype("<i2").tobytes())
        place = {"offset": self._offset, "num_samples": len(wave), "sample_rate": self.sample_rate}
        self.clips.append(Clip(id, path, speaker, level=level, sha256=sha256, **place))
        self._offset += len(wave)

    def close(self) -> None:
        self._samples.close()
        part = self.directory / (CLIPS + ".part")
        part.write_text("".join(json.dumps(asdict(clip)) + "\n" for clip in self.clips))
        part.replace(self.directory / CLIPS)
        (self.directory / (SAMPLES + ".part")).replace(self.directory / SAMPLES)
