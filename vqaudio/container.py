"""The .vqc file: codes of one recording, checked and packed.

Everything is little-endian. CRC means CRC-32 as in zlib and PNG (polynomial 0x04C11DB7 reflected,
initial value and final xor 0xFFFFFFFF), stored as u32. A file is one header, any number of
blocks and one end record, and nothing else.

Header
    4 bytes   magic: 56 51 43 1A ("VQC", control-Z)
    u8        version: 1
    u8        flags: 0 (bit 0 is kept for entropy-coded payloads; a set bit must be refused)
    8 bytes   fingerprint of the model that made the codes
    u16       K, size of the codebook, 2..65535
    u16       hop: samples at the model's rate that one code spans, at least 1
    u16       sample rate of the model in Hz, at least 1000
    u32       sample rate of the original in Hz, 1000..768000
    u8        C, number of channels, 1..32
    C x i8    level of each channel in half dB re full scale: -41 is -20.5 dB
    u32       CRC of all header bytes before it

Block
    u16       n, codes per channel in this block, at least 1
    payload   C x n codes: the n codes of channel 0 in order of time, then those of channel 1, ...
              Each takes b = ceil(log2 K) bits. Code number i of the block fills bits i*b .. i*b+b-1
              of the payload, least significant bit first; bit j of the payload is bit j mod 8
              (0 is the least significant) of byte j div 8. The last byte is filled up with zero
              bits, so the payload has ceil(C * n * b / 8) bytes. Every code is below K.
    u32       CRC, see below

End record
    u16       0
    u64       number of samples of the original, per channel, at its own rate, at least 1
    u32       CRC, see below

The CRC of a block or end record covers the four bytes of the CRC before it (that of the previous
block, or of the header) and then the record's own bytes. A block that is moved, dropped, repeated
or taken from another file is noticed by that.

Codes and samples must agree: with N codes per channel in all blocks together, and S the number of
samples of the original times the model's rate over the original's, rounded up,
0 <= N * hop - S <= 4 * hop. That is all a reader need know of the model's frame (the codes that it
works on at once, four at most): all channels are equally long, so all codes are codes of all of
them. A file stands in silence: decoding starts at its first code and the
wave is cut after the last sample.

How many codes a block has is the writer's choice; this one puts 1536 in each but the last. With
K = 512, hop 64 and one channel a file has 30 + 14 bytes, 6 for each block, and the codes.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import torch

from vqaudio.codes import MAX_CHANNELS, Codes, bits_per_code, check_format, codes_fit
from vqaudio.errors import ContainerError, VqaudioError
from vqaudio.files import atomic_write

MAGIC = b"VQC\x1a"
VERSION = 1
BLOCK_CODES = 1536

_FIXED = struct.Struct("<4sBB8sHHHIB")
_CRC = struct.Struct("<I")
_COUNT = struct.Struct("<H")
_END = struct.Struct("<HQ")


@dataclass(frozen=True)
class Header:
    """What a file says before its codes; fields as in `Codes`, one level per channel.

    Raises VqaudioError when a field is out of range.
    """

    model: bytes
    codebook_size: int
    hop: int
    model_rate: int
    sample_rate: int
    levels: tuple[float, ...]

    def __post_init__(self) -> None:
        check_format(
            self.codebook_size, self.hop, self.model_rate, self.sample_rate, self.levels, self.model
        )
        if not 1 <= self.channels <= MAX_CHANNELS:
            raise VqaudioError(f"a file holds 1 to {MAX_CHANNELS} channels, not {self.channels}")

    @property
    def channels(self) -> int:
        return len(self.levels)

    @property
    def bits_per_code(self) -> int:
        return bits_per_code(self.codebook_size)

    def payload_bytes(self, count: int) -> int:
        """Size of the payload of a block of `count` codes per channel."""
        return -(-self.channels * count * self.bits_per_code // 8)

    def codes_fit(self, count: int, num_samples: int) -> bool:
        """Whether `count` codes per channel can stand for `num_samples` of the original."""
        return codes_fit(count, num_samples, self.sample_rate, self.model_rate, self.hop)


class Writer:
    """Writes a file to a binary stream, which need not be seekable, as codes become known.

    The file is complete only after `close`. `num_codes` (per channel) and `num_bytes` tell how
    much was written: a pipe cannot be asked. Raises what the stream's write raises.
    """

    def __init__(self, stream: BinaryIO, header: Header) -> None:
        self.header = header
        self.num_codes = 0
        self.num_bytes = 0
        self._stream = stream
        self._pending: list[np.ndarray] = []
        self._pending_codes = 0
        fixed = _FIXED.pack(
            MAGIC,
            VERSION,
            0,
            header.model,
            header.codebook_size,
            header.hop,
            header.model_rate,
            header.sample_rate,
            header.channels,
        )
        self._crc = b""
        self._put(fixed + struct.pack(f"<{header.channels}b", *(int(2 * x) for x in header.levels)))

    def write(self, indices: np.ndarray | torch.Tensor) -> None:
        """Append codes, integers [C, n] in [0, K), any n. Raises ValueError for anything else."""
        if isinstance(indices, torch.Tensor):
            indices = indices.cpu().numpy()
        if indices.ndim != 2 or indices.shape[0] != self.header.channels:
            raise ValueError(f"codes must be [{self.header.channels}, n], not {indices.shape}")
        if indices.dtype.kind not in "iu":
            raise ValueError(f"codes must be integers, not {indices.dtype}")
        if indices.size and not 0 <= indices.min() <= indices.max() < self.header.codebook_size:
            raise ValueError(f"codes must be in 0..{self.header.codebook_size - 1}")
        # A copy: callers may reuse their buffer.
        self._pending.append(indices.astype(np.uint16))
        self._pending_codes += indices.shape[1]
        self.num_codes += indices.shape[1]
        if self._pending_codes >= BLOCK_CODES:
            self._flush(self._pending_codes // BLOCK_CODES * BLOCK_CODES)

    def close(self, num_samples: int) -> None:
        """Write what is left and the end record; the stream stays open.

        `num_samples`: length of the original per channel. Raises ContainerError when the codes
        written do not fit it.
        """
        if num_samples < 1 or not self.header.codes_fit(self.num_codes, num_samples):
            raise ContainerError(f"{self.num_codes} codes do not fit {num_samples} samples")
        self._flush(self._pending_codes)
        self._put(_END.pack(0, num_samples))

    def _flush(self, count: int) -> None:
        pending = np.concatenate(self._pending, axis=1) if self._pending else np.zeros((1, 0))
        for start in range(0, count, BLOCK_CODES):
            block = pending[:, start : min(start + BLOCK_CODES, count)]
            payload = pack(block, self.header.bits_per_code)
            self._put(_COUNT.pack(block.shape[1]) + payload)
        self._pending = [pending[:, count:]]
        self._pending_codes -= count

    def _put(self, record: bytes) -> None:
        self._crc = _CRC.pack(zlib.crc32(self._crc + record))
        self._stream.write(record + self._crc)
        self.num_bytes += len(record) + len(self._crc)


class Reader:
    """Reads a file from a binary stream, which need not be seekable, block by block.

    `header` is there at once; iterate for blocks, int64 [C, n]; `num_samples`, `num_codes` (both
    per channel) and `num_bytes` are known after the last one. Every block is checked before it is
    handed out. Holds one block at a time (at most 4 MB of file), whatever the bytes say.

    Raises ContainerError when the bytes are not a sound file.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.num_codes = 0
        self.num_samples: int | None = None
        self.header, self._crc = _read_header(stream)
        self.num_bytes = _FIXED.size + self.header.channels + _CRC.size

    def __iter__(self) -> Iterator[np.ndarray]:
        header = self.header
        while self.num_samples is None:
            count_bytes = _read_exactly(self._stream, _COUNT.size)
            (count,) = _COUNT.unpack(count_bytes)
            if count == 0:
                self._read_end(count_bytes)
                return
            payload = _read_exactly(self._stream, header.payload_bytes(count))
            self._check_crc(count_bytes + payload)
            block = unpack(payload, header.channels, count, header.bits_per_code)
            if block.max() >= header.codebook_size:
                raise ContainerError(f"a code is beyond the {header.codebook_size} of the codebook")
            self.num_codes += count
            yield block

    def _read_end(self, count_bytes: bytes) -> None:
        record = count_bytes + _read_exactly(self._stream, _END.size - _COUNT.size)
        self._check_crc(record)
        _, num_samples = _END.unpack(record)
        if num_samples < 1 or not self.header.codes_fit(self.num_codes, num_samples):
            raise ContainerError(f"{self.num_codes} codes do not fit {num_samples} samples")
        if self._stream.read(1):
            raise ContainerError("bytes follow the end of the recording")
        self.num_samples = num_samples

    def _check_crc(self, record: bytes) -> None:
        stored = _read_exactly(self._stream, _CRC.size)
        if stored != _CRC.pack(zlib.crc32(self._crc + record)):
            raise ContainerError(f"damaged after {self.num_codes} codes (checksum does not match)")
        self._crc = stored
        self.num_bytes += len(record) + len(stored)


def read(path: str | os.PathLike) -> Codes:
    """The codes of a file, one row per channel. Raises ContainerError, OSError."""
    with open(path, "rb") as stream:
        reader = Reader(stream)
        blocks = list(reader)
    header = reader.header
    return Codes(
        indices=torch.from_numpy(np.concatenate(blocks, axis=1)),
        codebook_size=header.codebook_size,
        hop=header.hop,
        model_rate=header.model_rate,
        sample_rate=header.sample_rate,
        lengths=(reader.num_samples,) * header.channels,
        levels=header.levels,
        model=header.model,
    )


def write(path: str | os.PathLike, codes: Codes, force: bool = True) -> None:
    """Write codes to a file, whole or not at all.

    Raises VqaudioError when the rows are not the channels of one recording (equal lengths, at
    most 32), FileExistsError when the file is there and not `force`, OSError.
    """
    if len(set(codes.lengths)) > 1:
        raise VqaudioError("rows of different lengths are no recording: save each on its own")
    header = Header(
        model=codes.model,
        codebook_size=codes.codebook_size,
        hop=codes.hop,
        model_rate=codes.model_rate,
        sample_rate=codes.sample_rate,
        levels=codes.levels,
    )
    with atomic_write(path, force) as stream:
        writer = Writer(stream, header)
        writer.write(codes.indices)
        writer.close(codes.lengths[0])


def pack(indices: np.ndarray, bits: int) -> bytes:
    """Pack uint16 [C, n] as the payload of a block, `bits` bits each."""
    words = np.ascontiguousarray(indices, dtype="<u2").reshape(-1, 1)
    planes = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little")
    return np.packbits(planes[:, :bits], bitorder="little").tobytes()


def unpack(payload: bytes, channels: int, count: int, bits: int) -> np.ndarray:
    """Undo `pack`: int64 [C, n]. Raises ContainerError when the filling bits are not zero."""
    total = channels * count * bits
    stream = np.unpackbits(np.frombuffer(payload, np.uint8), bitorder="little")
    if stream[total:].any():
        raise ContainerError("the filling bits of a block are not zero")
    planes = np.zeros((channels * count, 16), np.uint8)
    planes[:, :bits] = stream[:total].reshape(-1, bits)
    words = np.packbits(planes, axis=1, bitorder="little").view("<u2")
    return words.reshape(channels, count).astype(np.int64)


def _read_header(stream: BinaryIO) -> tuple[Header, bytes]:
    magic = _read_up_to(stream, len(MAGIC))
    if magic != MAGIC:
        raise ContainerError("not a .vqc file" if magic else "the file is empty")
    version = _read_exactly(stream, 1)
    if version[0] > VERSION:
        raise ContainerError(f"version {version[0]} of the format is newer than this program knows")
    fixed = magic + version + _read_exactly(stream, _FIXED.size - len(MAGIC) - 1)
    *_, flags, model, codebook_size, hop, model_rate, sample_rate, channels = _FIXED.unpack(fixed)
    levels = _read_exactly(stream, channels)
    crc = _read_exactly(stream, _CRC.size)
    if crc != _CRC.pack(zlib.crc32(fixed + levels)):
        raise ContainerError("the header is damaged (checksum does not match)")
    if version[0] != VERSION or flags:
        raise ContainerError("the file uses features that this program does not know")
    level_values = tuple(level / 2 for level in struct.unpack(f"<{channels}b", levels))
    try:
        header = Header(model, codebook_size, hop, model_rate, sample_rate, level_values)
    except VqaudioError as error:
        raise ContainerError(str(error)) from None
    return header, crc


def _read_up_to(stream: BinaryIO, size: int) -> bytes:
    """`size` bytes, or fewer at the end of the stream: a pipe may hand out less than asked for."""
    parts = bytearray()
    while len(parts) < size:
        part = stream.read(size - len(parts))
        if not part:
            break
        parts += part
    return bytes(parts)


def _read_exactly(stream: BinaryIO, size: int) -> bytes:
    data = _read_up_to(stream, size)
    if len(data) < size:
        raise ContainerError("the file is cut short")
    return data
