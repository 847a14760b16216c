"""Codecs that are Python functions, and 8-bit mu-law, which is one."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import soxr

from vqaudio.errors import VqaudioError
from vqaudio.evaluation.peers.coder import SAMPLE_RATE, WHOLE_FILE, Coded


@dataclass(frozen=True)
class FunctionPeer:
    """A codec of two functions: encode(float32 [T] at sample_rate) -> bytes, and decode back.

    nominal: bit/s; sample_rate: of the audio that the functions take and give, Hz.
    """

    name: str
    encode: Callable[[np.ndarray], bytes]
    decode: Callable[[bytes], np.ndarray]
    nominal: float | None
    sample_rate: int = SAMPLE_RATE
    counted: str = WHOLE_FILE

    def missing(self) -> str | None:
        return None

    def version(self) -> str | None:
        return None

    def code(self, wave: np.ndarray) -> Coded:
        original = soxr.resample(wave, SAMPLE_RATE, self.sample_rate)
        try:
            start = time.perf_counter()
            data = self.encode(original)
            middle = time.perf_counter()
            decoded = self.decode(data)
            end = time.perf_counter()
            num_bytes = memoryview(data).nbytes
            decoded = np.asarray(decoded, np.float32).squeeze()
        except Exception as error:  # whatever a function from elsewhere may raise
            raise VqaudioError(f"{type(error).__name__}: {error}") from error
        if decoded.ndim != 1:
            raise VqaudioError(f"decoded to an array of {decoded.ndim} dimensions, not one")
        decoded = soxr.resample(decoded, self.sample_rate, SAMPLE_RATE)
        return Coded(decoded, num_bytes, middle - start, end - middle)


def mulaw_encode(wave: np.ndarray) -> bytes:
    """Eight bits a sample on the mu-law curve (ITU-T G.711's, as a formula), no header."""
    level = np.log1p(255 * np.minimum(np.abs(wave), 1)) / np.log(256)
    return (np.copysign(127 * level, wave).round() + 128).astype(np.uint8).tobytes()


def mulaw_decode(data: bytes) -> np.ndarray:
    """What `mulaw_encode` coded, float32 [T]."""
    level = (np.frombuffer(data, np.uint8).astype(np.float32) - 128) / 127
    return np.copysign(np.expm1(np.abs(level) * np.log(256)) / 255, level).astype(np.float32)
