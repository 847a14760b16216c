"""Other codecs to compare with: command lines, and functions of bytes.

A codec that runs as two commands, over files, is one line more in PEERS:

    CommandPeer("opus-6k", "opusenc --bitrate 6 {input} {output}",
                "opusdec --rate 16000 {input} {output}", 16000, 6000, "wav", "opus-tools")

and one that is a Python library is a FunctionPeer of two functions. Anything else that has a
`name`, a `nominal` bitrate, `missing()` and `code(wave)` can stand in a scorecard too.
"""

import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import librosa
import numpy as np
import soundfile
import soxr

from vqaudio.errors import VqaudioError

SAMPLE_RATE = 16000
TIMEOUT = 600
"""Seconds that an external command may take for one clip."""


class Coded(NamedTuple):
    """A clip that has been through a codec.

    wave: decoded, float32 [T] at 16 kHz, not aligned; num_bytes: size of the whole coded file;
    encode_seconds, decode_seconds: wall clock, starting of commands included;
    usage: int64 [K], how often each code was used, where there is one codebook.
    """

    wave: np.ndarray
    num_bytes: int
    encode_seconds: float
    decode_seconds: float
    usage: np.ndarray | None = None


class Coder(Protocol):
    """What a scorecard needs of a codec. Must be picklable to run in several processes."""

    name: str
    nominal: float | None
    """The rate it is known by, bit/s."""

    def missing(self) -> str | None:
        """Why it cannot run on this machine, in a few words, or None."""

    def code(self, wave: np.ndarray) -> Coded:
        """Encode and decode a clip, float32 [T] at 16 kHz. VqaudioError when that fails."""


@dataclass(frozen=True)
class CommandPeer:
    """A codec of two commands, with {input} and {output} where their files go.

    sample_rate: of the audio that it takes and gives, Hz; nominal: bit/s;
    audio: "s16" for headerless 16-bit little-endian mono, or "wav";
    package: where to get it, for people who do not have it.
    """

    name: str
    encoder: str
    decoder: str
    sample_rate: int
    nominal: float
    audio: str = "s16"
    package: str = ""

    def missing(self) -> str | None:
        for command in (self.encoder, self.decoder):
            program = shlex.split(command)[0]
            if shutil.which(program) is None:
                where = f" (in {self.package})" if self.package else ""
                return f"{program}{where} is not installed"
        return None

    def code(self, wave: np.ndarray) -> Coded:
        with tempfile.TemporaryDirectory() as directory:
            original, coded, decoded = (
                Path(directory, name)
                for name in (f"original.{self.audio}", "coded", f"decoded.{self.audio}")
            )
            self._write(original, wave)
            encode_seconds = self._run(self.encoder, original, coded)
            decode_seconds = self._run(self.decoder, coded, decoded)
            return Coded(self._read(decoded), coded.stat().st_size, encode_seconds, decode_seconds)

    def _write(self, path: Path, wave: np.ndarray) -> None:
        samples = _to_s16(soxr.resample(wave, SAMPLE_RATE, self.sample_rate))
        if self.audio == "wav":
            soundfile.write(path, samples, self.sample_rate, format="WAV", subtype="PCM_16")
        else:
            path.write_bytes(samples.astype("<i2").tobytes())

    def _read(self, path: Path) -> np.ndarray:
        rate = self.sample_rate
        if self.audio == "wav":
            samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
            samples = samples[:, 0]
        else:
            data = path.read_bytes()
            samples = np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.float32) / 32768
        return soxr.resample(samples, rate, SAMPLE_RATE)

    def _run(self, command: str, source: Path, target: Path) -> float:
        words = [word.format(input=source, output=target) for word in shlex.split(command)]
        start = time.perf_counter()
        try:
            done = subprocess.run(
                words, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise VqaudioError(f"{words[0]}: {error}") from error
        elapsed = time.perf_counter() - start
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise VqaudioError(": ".join([f"{words[0]} failed, status {done.returncode}", *said]))
        if not target.exists() or not target.stat().st_size:
            raise VqaudioError(f"{words[0]} wrote nothing")
        return elapsed


@dataclass(frozen=True)
class FunctionPeer:
    """A codec of two functions: encode(float32 [T] at 16 kHz) -> bytes, and decode back."""

    name: str
    encode: Callable[[np.ndarray], bytes]
    decode: Callable[[bytes], np.ndarray]
    nominal: float

    def missing(self) -> str | None:
        return None

    def code(self, wave: np.ndarray) -> Coded:
        start = time.perf_counter()
        data = self.encode(wave)
        middle = time.perf_counter()
        decoded = self.decode(data)
        return Coded(decoded, len(data), middle - start, time.perf_counter() - middle)


def mulaw_encode(wave: np.ndarray) -> bytes:
    """Eight bits a sample on the mu-law curve (ITU-T G.711's, as a formula), no header."""
    return (librosa.mu_compress(np.clip(wave, -1, 1), mu=255) + 128).astype(np.uint8).tobytes()


def mulaw_decode(data: bytes) -> np.ndarray:
    """What `mulaw_encode` coded, float32 [T]."""
    codes = np.frombuffer(data, np.uint8).astype(np.int64) - 128
    return librosa.mu_expand(codes, mu=255).astype(np.float32)


def _codec2(mode: str, nominal: float) -> CommandPeer:
    encoder, decoder = (f"{program} {mode} {{input}} {{output}}" for program in ("c2enc", "c2dec"))
    return CommandPeer(f"codec2-{mode}", encoder, decoder, 8000, nominal, package="Debian's codec2")


def _to_s16(wave: np.ndarray) -> np.ndarray:
    return (np.clip(wave, -1, 1) * 32767).round().astype(np.int16)


_ALL: tuple[Coder, ...] = (
    _codec2("3200", 3200),
    _codec2("2400", 2400),
    _codec2("1200", 1200),
    _codec2("700C", 700),
    FunctionPeer("mulaw", mulaw_encode, mulaw_decode, 128000),
)

PEERS: dict[str, Coder] = {peer.name: peer for peer in _ALL}
"""Every peer that a scorecard can name."""
