"""What a scorecard needs of a codec."""

from typing import NamedTuple, Protocol

import numpy as np

SAMPLE_RATE = 16000
WHOLE_FILE = "the whole file"


class Coded(NamedTuple):
    """A clip that has been through a codec.

    wave: decoded, float32 [T] at 16 kHz, not aligned; num_bytes: size of the coded file;
    encode_seconds, decode_seconds: wall clock, starting of commands included;
    usage: int64 [K], how often each code was used, where there is one codebook.
    """

    wave: np.ndarray
    num_bytes: int
    encode_seconds: float
    decode_seconds: float
    usage: np.ndarray | None = None


class Coder(Protocol):
    """A codec, ready to be measured."""

    name: str
    nominal: float | None
    """The rate it is known by, bit/s."""
    counted: str
    """What of a coded file `Coded.num_bytes` counts."""

    def missing(self) -> str | None:
        """Why it cannot run on this machine, in a few words, or None."""

    def version(self) -> str | None:
        """Version of the program or library, where it is easy to know."""

    def code(self, wave: np.ndarray) -> Coded:
        """Encode and decode a clip, float32 [T] at 16 kHz. VqaudioError when that fails."""
