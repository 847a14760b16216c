"""The .vqc file: codes of one recording, checked, and packed or entropy-coded.

Everything is little-endian but where it says otherwise. CRC means CRC-32 as in zlib and PNG
(polynomial 0x04C11DB7 reflected, initial value and final xor 0xFFFFFFFF), stored as u32. A file is
one header, any number of blocks and one end record, and nothing else.

Header
    4 bytes   magic: 56 51 43 1A ("VQC", control-Z)
    u8        version: 1
    u8        flags: bit 0, blocks may be entropy-coded; all others are 0, or the file is refused
    8 bytes   fingerprint of the model that made the codes
    u16       K, size of the codebook, 2..65535
    u16       hop: samples at the model's rate that one code spans, at least 1
    u16       sample rate of the model in Hz, at least 1000
    u32       sample rate of the original in Hz, 1000..768000
    u8        C, number of channels, 1..32
    C x i8    level of each channel in half dB re full scale: -41 is -20.5 dB
    8 bytes   fingerprint of the prior; only where bit 0 of the flags is set
    u32       CRC of all header bytes before it

Block
    u16       n, codes per channel in this block, at least 1. Where bit 0 of the flags is set, n is at
              most 32767, and bit 15 says that the block is entropy-coded
    size      only in an entropy-coded block: bytes in its payload, fewer than a packed payload
              would have; u16, or u32 where that would have more than 65535
    payload   packed or entropy-coded, see below
    u32       CRC, see below

End record
    u16       0
    u64       number of samples of the original, per channel, at its own rate, at least 1
    u32       CRC, see below

The CRC of a block or end record covers the four bytes of the CRC before it (that of the previous
block, or of the header) and then the record's own bytes. A block that is moved, dropped, repeated
or taken from another file is noticed by that.

Packed payload
    C x n codes: the n codes of channel 0 in order of time, then those of channel 1, ... Each takes
    b = ceil(log2 K) bits. Code number i of the block fills bits i*b .. i*b+b-1 of the payload, least
    significant bit first; bit j of the payload is bit j mod 8 (0 is the least significant) of byte
    j div 8. The last byte is filled up with zero bits, so the payload has ceil(C * n * b / 8) bytes.
    Every code is below K.

Entropy-coded payload
    C x n codes: the first of each channel, then the second of each, ... What comes before a code
    in its channel and in this block decides how probable it is, and nothing else: the first code of
    a block is predicted as the first of a recording. The prior (vqaudio.models.integer) gives for
    code k an integer level v[k]; with d = max(v) - v[k] the code's weight is

        w[k] = max(1, floor(T[d mod 32] / 2^(d div 32))),  T[j] = 2^(20 - j/32), rounded to nearest

    and with s = (2^24 - K) / (w[0] + ... + w[K-1]), in float64 as all that s is part of,

        c[k] = floor((w[0] + ... + w[k-1]) * s) + k,  c[K] = 2^24

    are the bounds between which a code lies on a scale of 2^24. The payload is a fraction in [0, 1):
    bit 7 of its first byte is a half, bit 6 a quarter, and so on, zeros following its last byte. It
    is decoded in integers of 64 bits, from L = 0, R = 2^64 - 1, and P = the first 8 bytes of the
    payload, most significant first, as it is read from here on. For each code

        r = R div 2^24;  q = ((P - L) mod 2^64) div r, which must be below 2^24
        the code is the k for which c[k] <= q < c[k+1]
        L = (L + r * c[k]) mod 2^64;  R = r * (c[k+1] - c[k])
        if R < 2^32:  L = L * 2^32 mod 2^64;  R = R * 2^32
                      P = P * 2^32 mod 2^64 + the next 4 bytes of the payload

    The encoder narrows [L, L + R) in the same way, with carries, and writes the shortest payload
    whose fraction lies in the last of these intervals, and of those the least. Any other payload is
    damaged. (This is constriction's range coder, but for the end, which that rounds up to 4 bytes.)

Codes and samples must agree: with N codes per channel in all blocks together, and S the number of
samples of the original times the model's rate over the original's, rounded up,
0 <= N * hop - S <= 4 * hop. That is all a reader need know of the model's frame (the codes that it
works on at once, four at most): all channels are equally long, so all codes are codes of all of
them. A file stands in silence: decoding starts at its first code and the
wave is cut after the last sample.

How many codes a block has, and which blocks are entropy-coded, is the writer's choice; this one puts
1536 in each but the last, and entropy-codes those that get smaller by it, in a file whose first block
outweighs the prior's fingerprint: no file is larger than a packed one. With K = 512, hop 64 and one
channel a packed file has 30 + 14 bytes, 6 for each block, and the codes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch

from vqaudio.codes import Codes
from vqaudio.container_header import Header
from vqaudio.container_reader import Reader
from vqaudio.container_writer import BLOCK_CODES, Writer
from vqaudio.errors import VqaudioError
from vqaudio.files import atomic_write

if TYPE_CHECKING:
    from vqaudio.entropy import EntropyCoder

__all__ = ["BLOCK_CODES", "Header", "Reader", "Writer", "read", "write"]


def read(
    path: str | os.PathLike, coder_for: Callable[[bytes], EntropyCoder] | None = None
) -> Codes:
    """The codes of a file, one row per channel; `coder_for` as for `Reader`.

    Raises ContainerError, ModelError when it takes a prior that is not there, OSError.
    """
    with open(path, "rb") as stream:
        reader = Reader(stream, coder_for)
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


def write(
    path: str | os.PathLike, codes: Codes, force: bool = True, coder: EntropyCoder | None = None
) -> None:
    """Write codes to a file, whole or not at all; `coder` as for `Writer`.

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
        writer = Writer(stream, header, coder)
        writer.write(codes.indices)
        writer.close(codes.lengths[0])
