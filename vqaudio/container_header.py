"""The header of a .vqc file, in and out of bytes, and the fields of its records.

`vqaudio.container` has the specification.
"""

import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from vqaudio.codes import MAX_CHANNELS, bits_per_code, check_format, codes_fit
from vqaudio.errors import ContainerError, VqaudioError
from vqaudio.packing import packed_bytes

MAGIC = b"VQC\x1a"
VERSION = 1
ENTROPY_CODED = 1
"""The flag of files with entropy-coded blocks."""
PRIOR_BYTES = 8

CRC = struct.Struct("<I")
COUNT = struct.Struct("<H")
CODED = 0x8000
"""The bit of a block's count that says that it is entropy-coded."""
END = struct.Struct("<HQ")
_SIZES = struct.Struct("<H"), struct.Struct("<I")
_FIXED = struct.Struct("<4sBB8sHHHIB")


@dataclass(frozen=True)
class Header:
    """What a file says before its codes; fields as in `Codes`, one level per channel.

    prior: fingerprint of the prior that blocks may be entropy-coded with, 8 bytes; None if none is.

    Raises VqaudioError when a field is out of range.
    """

    model: bytes
    codebook_size: int
    hop: int
    model_rate: int
    sample_rate: int
    levels: tuple[float, ...]
    prior: bytes | None = None

    def __post_init__(self) -> None:
        check_format(
            self.codebook_size, self.hop, self.model_rate, self.sample_rate, self.levels, self.model
        )
        if not 1 <= self.channels <= MAX_CHANNELS:
            raise VqaudioError(f"a file holds 1 to {MAX_CHANNELS} channels, not {self.channels}")
        if self.prior is not None and len(self.prior) != PRIOR_BYTES:
            raise VqaudioError(f"a prior's fingerprint has {PRIOR_BYTES} bytes")

    @property
    def channels(self) -> int:
        return len(self.levels)

    @property
    def bits_per_code(self) -> int:
        return bits_per_code(self.codebook_size)

    def payload_bytes(self, count: int) -> int:
        """Size of the packed payload of a block of `count` codes per channel."""
        return packed_bytes(self.channels, count, self.bits_per_code)

    def codes_fit(self, count: int, num_samples: int) -> bool:
        """Whether `count` codes per channel can stand for `num_samples` of the original."""
        return codes_fit(count, num_samples, self.sample_rate, self.model_rate, self.hop)

    def to_bytes(self) -> bytes:
        """All but the checksum."""
        fixed = _FIXED.pack(
            MAGIC,
            VERSION,
            0 if self.prior is None else ENTROPY_CODED,
            self.model,
            self.codebook_size,
            self.hop,
            self.model_rate,
            self.sample_rate,
            self.channels,
        )
        levels = struct.pack(f"<{self.channels}b", *(int(2 * level) for level in self.levels))
        return fixed + levels + (self.prior or b"")


def size_field(header: Header, count: int) -> struct.Struct:
    """What the size of an entropy-coded payload of `count` codes per channel is written with."""
    short, long = _SIZES
    return short if header.payload_bytes(count) <= 0xFFFF else long


def read_header(stream: BinaryIO) -> tuple[Header, bytes, int]:
    """The header, its checksum, and how many bytes both took. Raises ContainerError."""
    magic = _read_up_to(stream, len(MAGIC))
    if magic != MAGIC:
        raise ContainerError("not a .vqc file" if magic else "the file is empty")
    version = read_exactly(stream, 1)
    if version[0] > VERSION:
        raise ContainerError(f"version {version[0]} of the format is newer than this program knows")
    fixed = magic + version + read_exactly(stream, _FIXED.size - len(MAGIC) - 1)
    *_, flags, model, codebook_size, hop, model_rate, sample_rate, channels = _FIXED.unpack(fixed)
    levels = read_exactly(stream, channels)
    prior = read_exactly(stream, PRIOR_BYTES) if flags & ENTROPY_CODED else None
    record = fixed + levels + (prior or b"")
    crc = read_exactly(stream, CRC.size)
    if crc != CRC.pack(zlib.crc32(record)):
        raise ContainerError("the header is damaged (checksum does not match)")
    if version[0] != VERSION or flags & ~ENTROPY_CODED:
        raise ContainerError("the file uses features that this program does not know")
    level_values = tuple(level / 2 for level in struct.unpack(f"<{channels}b", levels))
    try:
        header = Header(model, codebook_size, hop, model_rate, sample_rate, level_values, prior)
    except VqaudioError as error:
        raise ContainerError(str(error)) from None
    return header, crc, len(record) + len(crc)


def read_exactly(stream: BinaryIO, size: int) -> bytes:
    """`size` bytes. Raises ContainerError when there are fewer."""
    data = _read_up_to(stream, size)
    if len(data) < size:
        raise ContainerError("the file is cut short")
    return data


def _read_up_to(stream: BinaryIO, size: int) -> bytes:
    """`size` bytes, or fewer at the end of the stream: a pipe may hand out less than asked for."""
    parts = bytearray()
    while len(parts) < size:
        part = stream.read(size - len(parts))
        if not part:
            break
        parts += part
    return bytes(parts)
