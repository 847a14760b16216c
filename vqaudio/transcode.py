"""From file to file: any sound file to .vqc and back, in memory that does not grow with length.

Both directions read their input twice: once to find every fault in it (and its level), once to do
the work. So a bad file is noticed before there is any output.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import torch
from torch import Tensor

from vqaudio import voice
from vqaudio.audio import AudioWriter, open_source, probe, read_blocks, to_mono
from vqaudio.codec import Codec
from vqaudio.container import Header, Reader, Writer
from vqaudio.errors import AudioError, ContainerError
from vqaudio.files import atomic_write
from vqaudio.level import LevelMeter

if TYPE_CHECKING:
    from vqaudio.entropy import EntropyCoder

Progress = Callable[[float, float], None]
"""Called with the seconds of audio done, and of all."""

CHANGED = "it changed while it was read"


class Transcoded(NamedTuple):
    """seconds: of audio; num_bytes: of the .vqc file; bit_rate: bit/s, everything counted."""

    seconds: float
    num_bytes: int

    @property
    def bit_rate(self) -> float:
        return 8 * self.num_bytes / self.seconds


def encode_file(
    codec: Codec,
    source: str | os.PathLike | BinaryIO,
    target: str | os.PathLike,
    keep_channels: bool = False,
    progress: Progress | None = None,
    force: bool = True,
    coder: EntropyCoder | None = None,
) -> Transcoded:
    """Code a sound file: the mean of its channels, or each of them.

    coder: of a prior for this codec, to entropy-code with.

    source: a path, an open seekable file, or "-" for standard input; target: a path, or "-" for
    standard output. The target appears when it is complete; FileExistsError when it is there and
    not `force`. Raises AudioError for what cannot be coded, OSError.
    """
    with _input(source) as sound:
        info = probe(sound)
        channels = info.channels if keep_channels else 1
        meter = LevelMeter(info.sample_rate, channels)
        num_samples = 0
        for wave in _blocks(sound, keep_channels):
            meter.update(wave)
            num_samples += wave.shape[1]
        model = codec.model
        header = Header(
            model=codec.fingerprint,
            codebook_size=model.codebook_size,
            hop=model.hop,
            model_rate=model.sample_rate,
            sample_rate=info.sample_rate,
            levels=meter.levels(),
        )
        stream = codec.encode_stream(info.sample_rate, header.levels)
        with _output(target, force) as output:
            writer = Writer(output, header, coder)
            done = 0
            for wave in _blocks(sound, keep_channels):
                writer.write(stream.push(wave))
                done += wave.shape[1]
                if progress:
                    progress(done / info.sample_rate, num_samples / info.sample_rate)
            writer.write(stream.flush())
            if done != num_samples:
                raise AudioError(CHANGED)
            writer.close(num_samples)
    return Transcoded(num_samples / info.sample_rate, writer.num_bytes)


def decode_file(
    codec: Codec,
    source: str | os.PathLike | BinaryIO,
    target: str | os.PathLike,
    progress: Progress | None = None,
    force: bool = True,
    coder_for: Callable[[bytes], EntropyCoder] | None = None,
    speaker: str | None = None,
    semitones: float | None = None,
) -> Transcoded:
    """Decode a .vqc file to a WAV file of the original's rate, channels and number of samples.

    source, target, progress, force: as for `encode_file`. coder_for: gives the coder of a prior by
    its fingerprint; those in the package, if not given. speaker, semitones: as for `Codec.decode`;
    the pitch is that of all channels. Raises ContainerError for a file that is not sound, ModelError
    for one of another model or prior, or a speaker whom the model does not know, OSError.
    """
    with _input(source) as packed:
        header = Reader(packed).header
        codec.check(header.model, header.codebook_size, header.hop, header.model_rate)
        num_samples, num_codes, num_bytes = _verify(packed)
        rate, channels = header.sample_rate, header.channels
        seconds = num_samples / rate

        def hear() -> Tensor:
            return _listen(codec, packed, coder_for, channels).sum(0).expand(channels, -1)

        told = codec.choose_voice(speaker, semitones, channels, hear)
        lengths = (num_samples,) * channels
        stream = codec.decode_stream(rate, header.levels, lengths, voice=told)
        furthest = 0.0

        def report(codes: float) -> None:
            # Codes are decoded further ahead than sound where they are entropy-coded.
            nonlocal furthest
            furthest = max(furthest, codes)
            if progress:
                progress(seconds * furthest / num_codes, seconds)

        with _output(target, force) as output, AudioWriter(output, rate, channels) as writer:
            packed.seek(0)
            reader = Reader(packed, coder_for, report)
            done = 0
            for block in reader:
                writer.write(stream.push(torch.from_numpy(block)))
                done += block.shape[1]
                report(done)
            writer.write(stream.flush())
            if (reader.header, reader.num_samples) != (header, num_samples):
                raise ContainerError(CHANGED)
    return Transcoded(seconds, num_bytes)


def _blocks(sound: BinaryIO, keep_channels: bool) -> Iterator[Tensor]:
    blocks = read_blocks(sound)
    return blocks if keep_channels else map(to_mono, blocks)


def _verify(packed: BinaryIO) -> tuple[int, int, int]:
    """Samples and codes per channel, and bytes, once every checksum has been found right.

    Entropy-coded codes are not decoded for that: it would take as long as all the rest.
    """
    packed.seek(0)
    reader = Reader(packed)
    reader.check()
    return reader.num_samples, reader.num_codes, reader.num_bytes


def _listen(
    codec: Codec,
    packed: BinaryIO,
    coder_for: Callable[[bytes], EntropyCoder] | None,
    channels: int,
) -> Tensor:
    """How often each pitch is in each channel of a file that has been verified: [C, BINS]."""
    packed.seek(0)
    listening = voice.Listening(codec.model, channels)
    for block in Reader(packed, coder_for):
        listening.push(torch.from_numpy(block))
    return listening.flush()


def _input(source: str | os.PathLike | BinaryIO) -> AbstractContextManager[BinaryIO]:
    return nullcontext(source) if hasattr(source, "read") else open_source(source)


@contextmanager
def _output(target: str | os.PathLike, force: bool) -> Iterator[BinaryIO]:
    """A seekable file that becomes `target`, or goes to standard output, if the block ends well."""
    if target != "-":
        with atomic_write(target, force) as stream:
            yield stream
        return
    with tempfile.TemporaryFile() as stream:
        yield stream
        stream.seek(0)
        shutil.copyfileobj(stream, sys.stdout.buffer, 1 << 20)
        sys.stdout.buffer.flush()
