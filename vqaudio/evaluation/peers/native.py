"""Codecs that are C libraries, as commands: headerless 16-bit audio at 16 kHz <-> a coded file.

    python -I native.py lpcnet-encode|lpcnet-decode|amrwb-encode|amrwb-decode INPUT OUTPUT

LPCNet's output depends on random numbers whose state only a new process resets, and a crash in C
code must not take a scorecard with it: hence a program of its own. It starts in no time, as it
imports nothing but Python's own modules.
"""

import ctypes
import ctypes.util
import sys
from collections.abc import Callable
from pathlib import Path

POINTER, INT = ctypes.c_void_p, ctypes.c_int
AMRWB_MAGIC = b"#!AMR-WB\n"
AMRWB_FRAME = 320  # samples
AMRWB_MODE = 0  # 6.60 kbit/s
AMRWB_BYTES = 18  # of a frame of that mode in a file, its header byte with it


def missing(library: str, function: str, package: str) -> str | None:
    """Why `function` of a C library cannot be called here, in a few words, or None."""
    found = ctypes.util.find_library(library)
    if found is None:
        return f"lib{library} (in {package}) is not installed"
    try:
        getattr(ctypes.CDLL(found), function)
    except (OSError, AttributeError):
        return f"{found} has no {function}"
    return None


def lpcnet_encode(pcm: bytes) -> bytes:
    """Frames of 52 bits for 30 ms, without gaps, zero bits to the end of the last byte."""
    library, state, samples, num_bits = _lpcnet()
    frame, bits = ctypes.create_string_buffer(num_bits), bytearray()
    for block in _blocks(pcm, 2 * samples):
        library.lpcnet_enc(state, block, frame)
        bits += frame.raw
    bits += bytes(-len(bits) % 8)
    packed = int("".join(map(str, bits)) or "0", 2)
    return packed.to_bytes(len(bits) // 8, "big")


def lpcnet_decode(data: bytes) -> bytes:
    """What `lpcnet_encode` coded."""
    library, state, samples, num_bits = _lpcnet()
    bits = bytes(byte >> shift & 1 for byte in data for shift in range(7, -1, -1))
    pcm, decoded = ctypes.create_string_buffer(2 * samples), bytearray()
    for start in range(0, len(bits) - num_bits + 1, num_bits):
        library.lpcnet_dec(state, bits[start : start + num_bits], pcm)
        decoded += pcm.raw
    return bytes(decoded)


def amrwb_encode(pcm: bytes) -> bytes:
    """A file of RFC 4867, section 5: what .awb files are."""
    library = _load("vo-amrwbenc")
    library.E_IF_init.restype = POINTER
    library.E_IF_encode.argtypes = (POINTER, INT, POINTER, POINTER, INT)
    state, coded = library.E_IF_init(), bytearray(AMRWB_MAGIC)
    frame = ctypes.create_string_buffer(64)
    for block in _blocks(pcm, 2 * AMRWB_FRAME):
        size = library.E_IF_encode(state, AMRWB_MODE, block, frame, 0)
        coded += frame.raw[:size]
    return bytes(coded)


def amrwb_decode(data: bytes) -> bytes:
    """What `amrwb_encode` coded."""
    library = _load("opencore-amrwb")
    library.D_IF_init.restype = POINTER
    library.D_IF_decode.argtypes = (POINTER, POINTER, POINTER, INT)
    state, decoded = library.D_IF_init(), bytearray()
    pcm = ctypes.create_string_buffer(2 * AMRWB_FRAME)
    for block in _blocks(data[len(AMRWB_MAGIC) :], AMRWB_BYTES):
        library.D_IF_decode(state, block, pcm, 0)
        decoded += pcm.raw
    return bytes(decoded)


COMMANDS: dict[str, Callable[[bytes], bytes]] = {
    "lpcnet-encode": lpcnet_encode,
    "lpcnet-decode": lpcnet_decode,
    "amrwb-encode": amrwb_encode,
    "amrwb-decode": amrwb_decode,
}


def _lpcnet() -> tuple[ctypes.CDLL, int, int, int]:
    """The library, an encoder and decoder in one, and the samples and bits of its frames."""
    library = _load("codec2")
    library.lpcnet_freedv_create.restype = POINTER
    for function in (library.lpcnet_samples_per_frame, library.lpcnet_bits_per_frame):
        function.argtypes = (POINTER,)
    for function in (library.lpcnet_enc, library.lpcnet_dec):
        function.argtypes = (POINTER, POINTER, POINTER)
    state = library.lpcnet_freedv_create(1)  # the quantiser of FreeDV's mode 2020
    samples, bits = library.lpcnet_samples_per_frame(state), library.lpcnet_bits_per_frame(state)
    return library, state, samples, bits


def _load(library: str) -> ctypes.CDLL:
    found = ctypes.util.find_library(library)
    if found is None:
        sys.exit(f"lib{library} is not installed")
    return ctypes.CDLL(found)


def _blocks(data: bytes, size: int) -> list[bytes]:
    """`data` in blocks, the last of them filled up with zeros."""
    data += bytes(-len(data) % size)
    return [data[start : start + size] for start in range(0, len(data), size)]


if __name__ == "__main__":
    command, source, target = sys.argv[1:]
    Path(target).write_bytes(COMMANDS[command](Path(source).read_bytes()))
