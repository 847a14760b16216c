"""Sound files in and out, block by block, and resampling of a stream of samples.

Waves are float32 tensors [channels, samples], full scale is 1. Nothing here needs more memory for
an hour than for ten seconds, except `read`.
"""

from __future__ import annotations

import errno
import os
import shutil
import struct
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
import soxr
import torch
from torch import Tensor

from vqaudio.codes import MAX_CHANNELS, MAX_RATE, MIN_RATE
from vqaudio.errors import AudioError
from vqaudio.files import atomic_write

SUFFIXES = frozenset({".aif", ".aiff", ".au", ".caf", ".flac", ".mp3"}) | frozenset(
    {".oga", ".ogg", ".opus", ".sph", ".w64", ".wav"}
)
"""What sound files are called; they are told by their content all the same."""

Source = str | os.PathLike | BinaryIO
"""A path, or an open seekable binary file (see `open_source` for pipes)."""

_MAX_BLOCK_VALUES = 1 << 22


@dataclass(frozen=True)
class AudioInfo:
    """What a sound file says of itself; `frames` (samples per channel) can be wrong or huge."""

    sample_rate: int
    channels: int
    frames: int


def find(
    root: str | os.PathLike,
    suffixes: frozenset[str] = SUFFIXES,
    on_error: Callable[[OSError], None] | None = None,
) -> list[Path]:
    """Every file below `root` that is called as a sound file is, sorted, as paths from `root`.

    suffixes: lower case, with the dot. Hidden files and folders are left out, and links to folders
    are not followed. Raises NotADirectoryError if root is no folder, OSError for a folder below
    that cannot be read, unless on_error takes these.
    """
    if not os.path.isdir(root):
        raise NotADirectoryError(errno.ENOTDIR, "not a folder", os.fspath(root))

    def fail(error: OSError) -> None:
        raise error

    found = []
    for parent, folders, names in os.walk(root, onerror=on_error or fail):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(parent, name) for name in names if not name.startswith(".")]
    return sorted(path for path in found if path.suffix.lower() in suffixes and path.is_file())


@contextmanager
def open_source(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """Open a sound file, FIFO, or "-" for standard input, as a seekable file.

    What cannot be read twice is copied to a temporary file on disk first. Raises OSError.
    """
    if path == "-":
        with _spooled(sys.stdin.buffer) as copy:
            yield copy
        return
    with open(path, "rb") as stream:
        if stream.seekable():
            yield stream
            return
        with _spooled(stream) as copy:
            yield copy


def probe(source: Source) -> AudioInfo:
    """What a sound file says of itself. Raises AudioError if it is none we can code, OSError."""
    with _opened(source) as sound:
        return _info(sound)


def read_blocks(source: Source, block_seconds: float = 10.0) -> Iterator[Tensor]:
    """The samples of a sound file from its start, float32 [C, n] at a time.

    Blocks are shorter than `block_seconds` where rate and channels would make them large. Raises
    AudioError when the file is no sound file, is damaged, holds no samples, holds samples that
    are infinite or not a number, or has a rate or channel count that cannot be coded; OSError.
    """
    with _opened(source) as sound:
        yield from _blocks(sound, _info(sound), block_seconds)


def read(source: Source) -> tuple[Tensor, int]:
    """A whole sound file, float32 [C, T], and its rate. Raises as `read_blocks`."""
    with _opened(source) as sound:
        info = _info(sound)
        return torch.cat(list(_blocks(sound, info, 10.0)), dim=1), info.sample_rate


def to_mono(wave: Tensor) -> Tensor:
    """The mean of the channels: [C, T] -> [1, T]."""
    return wave if wave.shape[0] == 1 else wave.mean(dim=0, keepdim=True)


class AudioWriter:
    """Writes a WAV file, 16-bit PCM, to a binary stream as samples become known.

    The stream gets a header with the right length: a pipe therefore gets everything at the end,
    out of a temporary file. Use as a context manager; nothing more reaches the stream when the
    block raises. Raises AudioError past 4 GiB (more than a WAV file can say), OSError.
    """

    def __init__(self, stream: BinaryIO, sample_rate: int, channels: int) -> None:
        self.num_samples = 0
        self._stream = stream
        self._format = sample_rate, channels
        self._direct = stream.seekable()
        self._file = stream if self._direct else tempfile.TemporaryFile()  # noqa: SIM115
        self._start = self._file.tell()
        self._file.write(self._header())

    def write(self, wave: Tensor) -> None:
        """Append float [C, n]; what is beyond full scale is clipped."""
        channels = self._format[1]
        if wave.ndim != 2 or wave.shape[0] != channels:
            raise ValueError(f"a wave must be [{channels}, n], not {tuple(wave.shape)}")
        self.num_samples += wave.shape[1]
        if self.num_samples * 2 * channels + 36 >= 1 << 32:
            raise AudioError("too long for a WAV file (4 GiB)")
        scaled = (wave.detach().cpu().float() * 32768).round_().clamp_(-32768, 32767)
        self._file.write(scaled.T.contiguous().numpy().astype("<i2").tobytes())

    def close(self) -> None:
        """Complete the file; the stream stays open."""
        self._file.seek(self._start)
        self._file.write(self._header())
        self._file.seek(0, os.SEEK_END)
        if not self._direct:
            self._file.seek(0)
            shutil.copyfileobj(self._file, self._stream, 1 << 20)
            self._file.close()

    def _header(self) -> bytes:
        sample_rate, channels = self._format
        width = 2 * channels
        size = self.num_samples * width
        layout = struct.pack(
            "<IHHIIHH", 16, 1, channels, sample_rate, sample_rate * width, width, 16
        )
        riff = b"RIFF" + struct.pack("<I", 36 + size) + b"WAVE"
        return riff + b"fmt " + layout + b"data" + struct.pack("<I", size)

    def __enter__(self) -> AudioWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        elif not self._direct:
            self._file.close()


def write(path: str | os.PathLike, wave: Tensor, sample_rate: int, force: bool = True) -> None:
    """Write float [T] or [C, T] as a WAV file, whole or not at all. Raises OSError, AudioError."""
    wave = torch.atleast_2d(wave)
    with (
        atomic_write(path, force) as stream,
        AudioWriter(stream, sample_rate, wave.shape[0]) as writer,
    ):
        writer.write(wave)


class Resampler:
    """Resamples a stream: waves [C, n] in, waves [C, m] out, in any chunking the same.

    After `flush` as much has come out as ceil(total * out_rate / in_rate). What lies before the
    start and after the end is silence. Equal rates pass unchanged.
    """

    def __init__(self, in_rate: int, out_rate: int, channels: int) -> None:
        self._rates = in_rate, out_rate
        self._taken = 0
        self._given = 0
        self._channels = channels
        self._stream = None
        if in_rate != out_rate:
            self._stream = soxr.ResampleStream(in_rate, out_rate, channels, quality="HQ")

    def push(self, wave: Tensor) -> Tensor:
        """Float32 [C, n] -> what is ready, float32 [C, m], m >= 0."""
        if self._stream is None:
            return wave
        self._taken += wave.shape[1]
        ready = self._resample(wave)
        self._given += ready.shape[1]
        return ready

    def flush(self) -> Tensor:
        """The stream has ended: the rest, float32 [C, m]."""
        if self._stream is None:
            return torch.zeros(self._channels, 0)
        in_rate, out_rate = self._rates
        # soxr rounds the length to the nearest; two samples of silence make sure of the last one.
        silence = torch.zeros(self._channels, -(-2 * in_rate // out_rate))
        rest = self._resample(silence, last=True)
        return rest[:, : -(-self._taken * out_rate // in_rate) - self._given]

    def _resample(self, wave: Tensor, last: bool = False) -> Tensor:
        frames = wave.detach().cpu().float().T.contiguous().numpy()
        return torch.from_numpy(self._stream.resample_chunk(frames, last)).T


class _Sound(soundfile.SoundFile):
    def seekable(self) -> bool:
        """No: else soundfile seeks after each read, which fails in FLAC files of unknown length."""
        return False


@contextmanager
def _spooled(stream: BinaryIO) -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(stream, copy, 1 << 20)
        copy.seek(0)
        yield copy


@contextmanager
def _opened(source: Source) -> Iterator[soundfile.SoundFile]:
    """The sound in a path or open file, from its start; its reader's errors as AudioError."""
    if isinstance(source, str | os.PathLike):
        # Opened here and not by libsndfile, which has one message for all that can go wrong.
        with open(source, "rb") as stream, _opened(stream) as sound:
            yield sound
        return
    if source.seek(0, os.SEEK_END) == 0:
        raise AudioError("the file is empty")
    source.seek(0)
    try:
        with _Sound(source) as sound:
            yield sound
    except soundfile.LibsndfileError as error:
        reason = " ".join(error.error_string.removeprefix("Error : ").split()).rstrip(".")
        raise AudioError(f"cannot be read as audio: {reason}") from None
    except (TypeError, RuntimeError) as error:  # what soundfile raises for headerless formats
        raise AudioError(f"cannot be read as audio: {error}") from None


def _info(sound: soundfile.SoundFile) -> AudioInfo:
    info = AudioInfo(sound.samplerate, sound.channels, sound.frames)
    if not MIN_RATE <= info.sample_rate <= MAX_RATE:
        raise AudioError(f"sample rate {info.sample_rate} Hz is not in {MIN_RATE}..{MAX_RATE}")
    if not 1 <= info.channels <= MAX_CHANNELS:
        raise AudioError(f"{info.channels} channels, of at most {MAX_CHANNELS}")
    return info


def _blocks(sound: soundfile.SoundFile, info: AudioInfo, block_seconds: float) -> Iterator[Tensor]:
    most = _MAX_BLOCK_VALUES // info.channels
    frames = min(max(int(block_seconds * info.sample_rate), 1), most)
    empty = True
    # Until nothing comes: the number of frames that a file claims is not to be relied on.
    while len(block := sound.read(frames, dtype="float32", always_2d=True)):
        if not np.isfinite(block).all():
            raise AudioError("samples that are infinite or not a number")
        empty = False
        yield torch.from_numpy(np.ascontiguousarray(block.T))
    if empty:
        raise AudioError("no samples")
