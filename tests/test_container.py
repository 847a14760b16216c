import io
import os
import stat
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.test_codes import make_codes
from vqaudio import container
from vqaudio.codes import Codes
from vqaudio.container import Header, Reader, Writer
from vqaudio.errors import ContainerError, VqaudioError
from vqaudio.files import atomic_write

GOLDEN = Path(__file__).parent / "golden" / "container-v1.vqc"


def to_bytes(codes: Codes, chunk: int = 10**9) -> bytes:
    header = Header(
        codes.model,
        codes.codebook_size,
        codes.hop,
        codes.model_rate,
        codes.sample_rate,
        codes.levels,
    )
    stream = io.BytesIO()
    writer = Writer(stream, header)
    for start in range(0, codes.indices.shape[1], chunk):
        writer.write(codes.indices[:, start : start + chunk])
    writer.close(codes.lengths[0])
    return stream.getvalue()


def from_bytes(data: bytes) -> tuple[Header, np.ndarray, int]:
    reader = Reader(io.BytesIO(data))
    blocks = list(reader)
    return reader.header, np.concatenate(blocks, axis=1), reader.num_samples


def seal(record: bytes, before: bytes = b"") -> bytes:
    """`record` with its checksum; `before` is the checksum before it."""
    return record + struct.pack("<I", zlib.crc32(before + record))


def header_bytes(*, flags=0, k=512, hop=64, model_rate=16000, rate=44100, levels=(-41,)) -> bytes:
    fields = struct.pack("<BBQHHHI", 1, flags, 7, k, hop, model_rate, rate)
    return seal(b"VQC\x1a" + fields + struct.pack(f"<B{len(levels)}b", len(levels), *levels))


def end_bytes(num_samples: int, before: bytes) -> bytes:
    return seal(struct.pack("<HQ", 0, num_samples), before[-4:])


def pack_by_the_book(codes: Codes, block: int) -> bytes:
    """The docstring of vqaudio.container, followed bit by bit with nothing but Python."""
    data = b"VQC\x1a" + struct.pack("<BB", 1, 0) + codes.model
    data += struct.pack("<HHH", codes.codebook_size, codes.hop, codes.model_rate)
    data += struct.pack("<IB", codes.sample_rate, len(codes.levels))
    for level in codes.levels:
        data += struct.pack("<b", round(level * 2))
    data += struct.pack("<I", zlib.crc32(data))
    bits = 1
    while 2**bits < codes.codebook_size:
        bits += 1
    rows = codes.indices.tolist()
    for start in range(0, len(rows[0]), block):
        number = 0
        place = 0
        for row in rows:
            for index in row[start : start + block]:
                number |= index << place
                place += bits
        record = struct.pack("<H", len(rows[0][start : start + block]))
        record += number.to_bytes((place + 7) // 8, "little")
        data += record + struct.pack("<I", zlib.crc32(data[-4:] + record))
    record = struct.pack("<HQ", 0, codes.lengths[0])
    return data + record + struct.pack("<I", zlib.crc32(data[-4:] + record))


def golden_codes() -> Codes:
    # Not torch.randint: what a golden file holds must not hang on a library's generator.
    count = 3300
    indices = torch.arange(2 * count).reshape(2, count) ** 2 * 40503 // 97 % 512
    length = count * 64 * 44100 // 16000 - 5
    return Codes(indices, 512, 64, 16000, 44100, (length, length), (-20.5, -64.0), bytes(range(8)))


def test_golden_file_still_loads():
    assert Codes.load(GOLDEN).equal(golden_codes())


def test_golden_file_is_what_the_specification_says_and_what_we_write():
    by_the_book = pack_by_the_book(golden_codes(), container.BLOCK_CODES)
    assert GOLDEN.read_bytes() == by_the_book
    assert to_bytes(golden_codes()) == by_the_book


@settings(max_examples=60, deadline=None)
@given(
    codebook_size=st.integers(2, 65535) | st.sampled_from([2, 3, 256, 257, 512, 1024, 65535]),
    channels=st.integers(1, 5),
    length=st.integers(1, 700_000),
    sample_rate=st.integers(1000, 768_000) | st.sampled_from([8000, 16000, 44100, 48000]),
    chunk=st.integers(1, 5000),
    seed=st.integers(0, 2**32),
)
def test_round_trip(codebook_size, channels, length, sample_rate, chunk, seed):
    length = min(length, 20 * sample_rate)
    codes = make_codes((length,) * channels, sample_rate, codebook_size, seed)
    data = to_bytes(codes, max(chunk, codes.indices.shape[1] // 50))
    assert data == to_bytes(codes)
    header, indices, num_samples = from_bytes(data)
    assert np.array_equal(indices, codes.indices)
    assert num_samples == length
    assert header.levels == codes.levels
    assert (header.model, header.codebook_size) == (codes.model, codebook_size)
    assert (header.hop, header.model_rate, header.sample_rate) == (64, 16000, sample_rate)


def test_other_block_sizes_are_read():
    codes = make_codes((30000, 30000))
    for block in (1, 7, 100, 60000):
        assert np.array_equal(from_bytes(pack_by_the_book(codes, block))[1], codes.indices)


def test_save_and_load(tmp_path):
    codes = make_codes((200_000, 200_000))
    codes.save(tmp_path / "a.vqc")
    assert Codes.load(tmp_path / "a.vqc").equal(codes)
    with pytest.raises(VqaudioError, match="lengths"):
        make_codes((200_000, 199_000)).save(tmp_path / "b.vqc")
    with pytest.raises(FileExistsError):
        codes.save(tmp_path / "a.vqc", force=False)
    with pytest.raises(FileNotFoundError):
        codes.save(tmp_path / "missing" / "a.vqc")
    assert os.listdir(tmp_path) == ["a.vqc"]


@pytest.mark.parametrize(("seconds", "allowed"), [(10, 0.02), (60, 0.01)])
def test_overhead(seconds, allowed):
    codes = make_codes((seconds * 16000,), 16000)
    payload = -(-codes.indices.shape[1] * 9 // 8)
    assert len(to_bytes(codes)) - payload <= allowed * payload
    if seconds == 10:
        assert len(to_bytes(codes)) <= 2875


SOUND = to_bytes(make_codes((60_000, 60_000), 8000, 500))


@settings(max_examples=400, deadline=None)
@given(position=st.integers(0, len(SOUND) - 1), flip=st.integers(1, 255))
def test_any_byte_changed_is_noticed(position, flip):
    damaged = bytearray(SOUND)
    damaged[position] ^= flip
    with pytest.raises(ContainerError):
        from_bytes(bytes(damaged))


def test_every_byte_of_header_and_end_is_guarded():
    for position in [*range(40), *range(len(SOUND) - 20, len(SOUND))]:
        for bit in range(8):
            damaged = bytearray(SOUND)
            damaged[position] ^= 1 << bit
            with pytest.raises(ContainerError):
                from_bytes(bytes(damaged))


@settings(max_examples=150, deadline=None)
@given(
    position=st.integers(0, len(SOUND) - 1),
    removed=st.integers(0, 300),
    added=st.binary(max_size=300),
)
def test_any_bytes_cut_or_added_are_noticed(position, removed, added):
    damaged = SOUND[:position] + added + SOUND[position + removed :]
    if damaged == SOUND:
        return
    with pytest.raises(ContainerError):
        from_bytes(damaged)


def test_every_truncation_is_noticed():
    data = to_bytes(make_codes((5000,), 8000))
    for size in range(len(data)):
        with pytest.raises(ContainerError):
            from_bytes(data[:size])


def test_blocks_cannot_be_moved_dropped_repeated_or_borrowed():
    size = 2 + 1536 * 9 // 8 + 4
    silence = make_codes((64 * 1536 * 3,), 16000)
    silence = replace(silence, indices=torch.zeros_like(silence.indices))
    other = to_bytes(replace(silence, indices=torch.ones_like(silence.indices)))
    data = to_bytes(silence)
    head, blocks, end = data[:30], [data[30 + i * size :][:size] for i in range(3)], data[-14:]
    assert head + b"".join(blocks) + end == data
    first, second, third = blocks
    for wrong in (
        [second, first, third],
        [first, third, second],
        [first, second],
        [second, third],
        [first, first, third],
        [first, second, third, third],
        [first, other[30 + size :][:size], third],
    ):
        with pytest.raises(ContainerError):
            from_bytes(head + b"".join(wrong) + end)
    with pytest.raises(ContainerError):
        from_bytes(other[:-14] + end)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.sampled_from([b"", b"VQC\x1a", b"VQC\x1a\x01\x00", SOUND[:32]]))
def test_random_bytes_are_refused(data, start):
    with pytest.raises(ContainerError) as caught:
        from_bytes(start + data)
    assert "\n" not in str(caught.value)


def test_hostile_numbers_with_good_checksums_are_refused():
    header = header_bytes()
    block = seal(struct.pack("<H", 2) + (5 | 511 << 9).to_bytes(3, "little"), header[-4:])
    assert from_bytes(header + block + end_bytes(128 * 441 // 160, block))[1].tolist() == [[5, 511]]
    for num_samples in (0, 128 * 441 // 160 + 3, 2**40, 2**63, 2**64 - 1):
        with pytest.raises(ContainerError, match="do not fit"):
            from_bytes(header + block + end_bytes(num_samples, block))
    with pytest.raises(ContainerError, match="do not fit"):
        from_bytes(header + end_bytes(1, header))
    # 2^16 - 1 codes are announced, a few bytes follow
    with pytest.raises(ContainerError, match="cut short"):
        from_bytes(header + b"\xff\xff" + bytes(100))
    filled = seal(struct.pack("<H", 2) + (1 << 18).to_bytes(3, "little"), header[-4:])
    with pytest.raises(ContainerError, match="filling bits"):
        from_bytes(header + filled + end_bytes(300, filled))
    small = header_bytes(k=500)
    beyond = seal(struct.pack("<H", 2) + (5 | 500 << 9).to_bytes(3, "little"), small[-4:])
    with pytest.raises(ContainerError, match="beyond"):
        from_bytes(small + beyond + end_bytes(300, beyond))


@pytest.mark.parametrize(
    "fields",
    [
        {"flags": 1},  # and no fingerprint of a prior
        {"flags": 2},
        {"flags": 128},
        {"k": 0},
        {"k": 1},
        {"hop": 0},
        {"model_rate": 0},
        {"rate": 0},
        {"rate": 10_000_000},
        {"levels": ()},
        {"levels": (0,) * 33},
    ],
)
def test_hostile_headers_are_refused(fields):
    with pytest.raises(ContainerError):
        Reader(io.BytesIO(header_bytes(**fields)))


def test_messages_tell_what_is_wrong():
    for data, message in [
        (b"", "empty"),
        (b"RIFF....WAVE", "not a .vqc file"),
        (b"VQC\x1a\x02" + SOUND[5:], "version 2 .* newer"),
        (SOUND[:-1], "cut short"),
        (SOUND + b"\0", "follow"),
        (SOUND + SOUND, "follow"),
        (SOUND[:2000] + b"\0\0\0" + SOUND[2003:], "damaged after"),
    ]:
        with pytest.raises(ContainerError, match=message):
            from_bytes(data)


class Trickle(io.RawIOBase):
    """A pipe that hands out one byte at a time and cannot seek."""

    def __init__(self, data: bytes) -> None:
        self.data = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self.data.read(min(size, 1))


def test_pipes_may_hand_out_little_at_a_time():
    reader = Reader(Trickle(SOUND))
    assert np.array_equal(np.concatenate(list(reader), axis=1), from_bytes(SOUND)[1])
    assert reader.num_codes == 1876


def test_writer_refuses_what_is_no_code():
    writer = Writer(io.BytesIO(), Header(bytes(8), 512, 64, 16000, 16000, (0.0,)))
    for wrong in (
        np.full((1, 3), 512),
        np.full((1, 3), -1),
        np.zeros((2, 3), np.int64),
        np.zeros(3, np.int64),
        np.zeros((1, 3)),
    ):
        with pytest.raises(ValueError, match="codes must be"):
            writer.write(wrong)
    writer.write(torch.zeros(1, 2, dtype=torch.int64))
    for length in (0, 129, 10**12):
        with pytest.raises(ContainerError, match="do not fit"):
            writer.close(length)


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a"

    def interrupted_write() -> None:
        with atomic_write(path) as stream:
            stream.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted_write()
    assert os.listdir(tmp_path) == []
    with atomic_write(path) as stream:
        stream.write(b"whole")
        assert not path.exists()
    assert path.read_bytes() == b"whole"
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask
    with pytest.raises(KeyboardInterrupt):
        interrupted_write()
    assert path.read_bytes() == b"whole"
    with pytest.raises(IsADirectoryError), atomic_write(tmp_path):
        pass


def test_a_pipe_is_written_and_not_replaced(tmp_path):
    # A pipe of our own: were a device tried here, as root, a bug would replace it for everyone.
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with atomic_write(path, force=False) as stream:
        stream.write(b"through")
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    read_end, write_end = os.pipe()
    with atomic_write(f"/dev/fd/{write_end}") as stream:
        stream.write(b"through")
    assert os.read(read_end, 100) == b"through"
    os.close(read_end)
    os.close(write_end)


def test_a_link_is_followed(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with atomic_write(tmp_path / "link") as stream:
        stream.write(b"x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"x"
