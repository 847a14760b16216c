"""Entropy-coded .vqc files: smaller, never larger, and as safe as packed ones."""

import io
import struct
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.bigram import FINGERPRINT, Bigram, bigram_coder, habits
from tests.conftest import SPEECH
from tests.test_codes import make_codes
from tests.test_container import Trickle, end_bytes, seal, to_bytes
from tests.test_entropy import decode_by_the_book
from vqaudio import audio, load_codec
from vqaudio.codes import Codes
from vqaudio.container import BLOCK_CODES, Header, Reader, Writer
from vqaudio.entropy import EntropyCoder
from vqaudio.errors import ContainerError, ModelError
from vqaudio.packing import pack

CODER = bigram_coder()
SMALL = bigram_coder(30)


def habitual(channels: int = 1, count: int = 4000, codebook_size: int = 512) -> Codes:
    """A recording whose codes CODER can foretell."""
    codes = make_codes((count * 64,) * channels, 16000, codebook_size)
    indices = torch.from_numpy(habits(channels, codes.indices.shape[1], codebook_size))
    return replace(codes, indices=indices)


def written_by_the_book(codes: Codes, block: int, size: str, coder: EntropyCoder) -> bytes:
    """A file of entropy-coded blocks of any length; size: of the field for a payload's size."""
    data = seal(header_of(codes, FINGERPRINT).to_bytes())
    for start in range(0, codes.indices.shape[1], block):
        indices = codes.indices[:, start : start + block].numpy()
        payload = coder.encode(indices)
        record = struct.pack(f"<H{size}", indices.shape[1] | 0x8000, len(payload)) + payload
        data += seal(record, data[-4:])
    return data + end_bytes(codes.lengths[0], data)


def header_of(codes: Codes, prior: bytes | None = None) -> Header:
    return Header(
        codes.model,
        codes.codebook_size,
        codes.hop,
        codes.model_rate,
        codes.sample_rate,
        codes.levels,
        prior,
    )


def coded(codes: Codes, coder: EntropyCoder | None = CODER, chunk: int = 10**9) -> bytes:
    stream = io.BytesIO()
    writer = Writer(stream, header_of(codes), coder)
    for start in range(0, codes.indices.shape[1], chunk):
        writer.write(codes.indices[:, start : start + chunk])
    writer.close(codes.lengths[0])
    assert writer.num_bytes == len(stream.getvalue())
    return stream.getvalue()


def decoded(data: bytes, coder: EntropyCoder = CODER) -> np.ndarray:
    def find(fingerprint: bytes) -> EntropyCoder:
        assert fingerprint == FINGERPRINT
        return coder

    reader = Reader(io.BytesIO(data), find)
    blocks = np.concatenate(list(reader), axis=1)
    assert reader.num_bytes == len(data)
    assert reader.num_codes == blocks.shape[1]
    return blocks


def blocks_of(data: bytes, codes: Codes) -> list[tuple[int, bytes]]:
    """Codes per channel and payload of each block, by the specification; all must be coded."""
    place = 25 + codes.indices.shape[0] + 8 + 4
    assert data[place - 12 : place - 4] == FINGERPRINT
    found = []
    while (count := struct.unpack_from("<H", data, place)[0]) != 0:
        assert count & 0x8000
        (size,) = struct.unpack_from("<H", data, place + 2)
        found.append((count & 0x7FFF, data[place + 4 : place + 4 + size]))
        place += 4 + size + 4
    return found


@pytest.mark.parametrize(("channels", "chunk"), [(1, 10**9), (1, 999), (3, 1536)])
def test_codes_come_back_from_fewer_bytes(channels, chunk):
    codes = habitual(channels)
    data = coded(codes, chunk=chunk)
    assert data == coded(codes)
    assert len(data) < 0.8 * len(to_bytes(codes))
    assert np.array_equal(decoded(data), codes.indices)
    reader = Reader(io.BytesIO(data))
    reader.check()  # needs no prior
    assert reader.header.prior == FINGERPRINT
    assert (reader.num_bytes, reader.packed_bytes) == (len(data), len(to_bytes(codes)))
    assert reader.num_codes == codes.indices.shape[1]


def test_the_file_is_what_the_specification_says():
    codes = habitual(2, 130, codebook_size=30)
    data = coded(codes, SMALL)
    assert data[5] == 1
    assert data == written_by_the_book(codes, BLOCK_CODES, "H", SMALL)
    ((count, payload),) = blocks_of(data, codes)
    assert decode_by_the_book(payload, SMALL.model, 2, count) == codes.indices.tolist()


def test_speech_comes_back():
    """By a prior that has heard the one clip, of the released codec."""
    codec = load_codec("speech64", "cpu")
    heard, other = (codec.encode(*audio.read(path)) for path in sorted(SPEECH.glob("*.flac"))[:2])
    coder = EntropyCoder(Bigram(heard.indices.numpy(), 512), FINGERPRINT)
    for codes in (heard, other):
        data = coded(codes, coder)
        assert len(data) <= len(to_bytes(codes))
        assert np.array_equal(decoded(data, coder), codes.indices)
    assert len(coded(heard, coder)) < 0.8 * len(to_bytes(heard))


def test_blocks_decode_alone():
    codes = habitual(1, 4000)
    blocks = blocks_of(coded(codes), codes)
    assert [count for count, _ in blocks] == [1536, 1536, 928]
    starts = range(0, 4000, BLOCK_CODES)
    for (count, payload), start in reversed(list(zip(blocks, starts, strict=True))):
        (alone,) = CODER.decode([payload], [count], 1)
        assert np.array_equal(alone, codes.indices[:, start : start + count])


@settings(max_examples=60, deadline=None)
@given(
    channels=st.integers(1, 3),
    length=st.integers(1, 60_000) | st.integers(1, 2000),
    seed=st.integers(0, 2**32),
    share=st.sampled_from([0.0, 0.5, 0.9, 1.0]),
)
def test_never_larger(channels, length, seed, share):
    """Whatever share of the recording the prior knows its way in."""
    codes = make_codes((length,) * channels, 16000, 30, seed)
    count = codes.indices.shape[1]
    known = torch.from_numpy(habits(channels, count, 30, seed))
    indices = torch.where(torch.arange(count) < share * count, known, codes.indices)
    codes = replace(codes, indices=indices)
    data = coded(codes, SMALL)
    assert len(data) <= len(to_bytes(codes))
    assert np.array_equal(decoded(data, SMALL), codes.indices)


def test_a_file_that_gains_nothing_is_a_packed_one():
    for codes in (make_codes((64_000,), 16000), habitual(1, 4)):
        assert coded(codes) == to_bytes(codes)


def test_a_prior_that_is_all_wrong_does_no_harm():
    """Its payload would have 122 kB: more than fit the two bytes of the size."""
    wrong = Bigram(np.zeros((1, 9), np.int64), 16)
    wrong.table = torch.full((17, 16), -9999, dtype=torch.int32)
    wrong.table[:, 0] = 0
    codes = make_codes((BLOCK_CODES * 64,) * 32, 16000, 16)
    codes = replace(codes, indices=codes.indices.clamp_min(1), levels=(-20.0,) * 32)
    assert coded(codes, EntropyCoder(wrong, FINGERPRINT)) == to_bytes(codes)


def test_blocks_that_gain_nothing_are_packed():
    codes = habitual(1, 5 * BLOCK_CODES)
    noise = torch.randint(512, (1, BLOCK_CODES), generator=torch.Generator().manual_seed(0))
    codes.indices[:, BLOCK_CODES : 2 * BLOCK_CODES] = noise
    codes.indices[:, -BLOCK_CODES:] = noise
    data = coded(codes)
    assert np.array_equal(decoded(data), codes.indices)
    packed = pack(noise.numpy().astype(np.uint16), 9)
    assert data.count(struct.pack("<H", BLOCK_CODES) + packed) == 2


def test_other_block_sizes_are_read():
    for channels, count, block, size in ((1, 1900, 100, "H"), (8, 16_384, 16_384, "I")):
        codes = habitual(channels, count, 30)
        data = written_by_the_book(codes, block, size, SMALL)
        assert np.array_equal(decoded(data, SMALL), codes.indices)


def test_progress_is_told_while_blocks_decode():
    codes = habitual(1, 1900, 30)
    data = written_by_the_book(codes, 100, "H", SMALL)  # three groups of eight blocks at most
    calls: list[float] = []
    for _ in Reader(io.BytesIO(data), lambda _: SMALL, calls.append):
        pass
    assert calls == sorted(calls)
    assert len(calls) == 9
    assert 0 < calls[0] < 800 < calls[-1] < 1900


SOUND = coded(habitual(2, 250, 30), SMALL)
PAYLOAD = 27 + 8 + 4 + 4
"""Where the payload of its only block starts."""


def refused(data: bytes) -> None:
    with pytest.raises(ContainerError) as caught:
        decoded(data, SMALL)
    assert "\n" not in str(caught.value)
    with pytest.raises(ContainerError):
        Reader(io.BytesIO(data)).check()


def test_every_byte_is_guarded():
    """Header with its flag and prior, count, size, payload and end."""
    assert SOUND[27:35] == FINGERPRINT
    assert SOUND[5] == 1
    for position in range(len(SOUND)):
        for bit in (1, 16, 128):
            damaged = bytearray(SOUND)
            damaged[position] ^= bit
            refused(bytes(damaged))


def test_every_cut_is_noticed():
    for size in range(len(SOUND)):
        refused(SOUND[:size])


def sealed_again(data: bytes) -> bytes:
    """Whatever was done to the one block of SOUND, with checksums that agree."""
    head, record, end = data[: PAYLOAD - 8], data[PAYLOAD - 4 : -18], data[-14:-4]
    head = seal(head)
    block = seal(record, head[-4:])
    return head + block + seal(end, block[-4:])


def test_damage_with_good_checksums_is_refused_where_no_encoder_writes_such():
    assert sealed_again(SOUND) == SOUND
    refusals = 0
    for position in range(PAYLOAD, len(SOUND) - 18, 7):
        damaged = bytearray(SOUND)
        damaged[position] ^= 1 + position % 255
        data = sealed_again(bytes(damaged))
        Reader(io.BytesIO(data)).check()  # only decoding tells
        try:
            codes = decoded(data, SMALL)
        except ContainerError:
            refusals += 1
        else:  # others, but codes: then this is how they are coded
            assert SMALL.encode(codes) == data[PAYLOAD:-18]
    assert refusals > 5


@pytest.mark.parametrize("size", [313, 1000, 0xFFFF])
def test_impossible_sizes_are_refused(size):
    damaged = SOUND[: PAYLOAD - 2] + struct.pack("<H", size) + SOUND[PAYLOAD:]
    with pytest.raises(ContainerError, match="impossible size"):
        decoded(sealed_again(damaged), SMALL)


def test_empty_blocks_are_refused():
    damaged = SOUND[: PAYLOAD - 4] + b"\0\x80\0\0" + SOUND[PAYLOAD:]
    with pytest.raises(ContainerError, match="impossible size"):
        decoded(sealed_again(damaged), SMALL)


def test_blocks_before_a_damaged_one_come_out():
    codes = habitual(1, 1000, 30)
    data = bytearray(written_by_the_book(codes, 100, "H", SMALL))
    data[len(data) * 9 // 10] ^= 1
    blocks = []
    with pytest.raises(ContainerError, match="damaged after 900"):
        blocks.extend(Reader(io.BytesIO(data), lambda _: SMALL))
    assert len(blocks) == 9


def test_another_prior_is_named_and_another_size_refused():
    with pytest.raises(ModelError, match=f"{FINGERPRINT.hex()}, which is not packaged"):
        list(Reader(io.BytesIO(SOUND)))
    with pytest.raises(ContainerError, match="512 codes, and the file 30"):
        decoded(SOUND)
    with pytest.raises(ModelError, match="30 codes does not fit 512"):
        coded(habitual(), SMALL)


def test_the_same_codes_of_another_prior_with_its_name_are_refused():
    other = EntropyCoder(Bigram(habits(1, 20000, 30, 5), 30, 0.5), FINGERPRINT)
    with pytest.raises(ContainerError, match="its prior is another"):
        decoded(SOUND, other)


def test_pipes_may_hand_out_little_at_a_time():
    reader = Reader(Trickle(SOUND), lambda _: SMALL)
    assert np.array_equal(np.concatenate(list(reader), axis=1), decoded(SOUND, SMALL))
