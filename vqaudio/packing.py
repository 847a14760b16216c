"""The plain payload of a block in a .vqc file: codes of equally many bits, one after the other."""

import numpy as np

from vqaudio.errors import ContainerError


def packed_bytes(channels: int, count: int, bits: int) -> int:
    """Size of what `pack` makes of `count` codes per channel."""
    return -(-channels * count * bits // 8)


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
