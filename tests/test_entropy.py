"""The entropy coder: what it writes is what vqaudio.container says, and comes back from anywhere."""

from contextlib import suppress
from decimal import Decimal, localcontext

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.bigram import FINGERPRINT, Bigram, bigram_coder, habits
from tests.small_prior import K, small_integer_prior
from vqaudio.entropy import EntropyCoder, counts
from vqaudio.errors import ContainerError

CODER = bigram_coder()


def weights_by_the_book(levels: list[int]) -> list[int]:
    with localcontext() as context:
        context.prec = 50
        table = [int((Decimal(2) ** (20 - Decimal(j) / 32)).to_integral_value()) for j in range(32)]
    below = [max(levels) - level for level in levels]
    return [max(1, table[d % 32] // 2 ** (d // 32)) for d in below]


def decode_by_the_book(payload: bytes, model, channels: int, count: int) -> list[list[int]]:
    """The docstring of vqaudio.container with nothing but Python (and the model's levels)."""
    size = model.codebook_size
    low, span, place = 0, 2**64 - 1, 8
    point = int.from_bytes(payload[:8].ljust(8, b"\0"), "big")
    rows = [[] for _ in range(channels)]
    for _ in range(count):
        for row in rows:
            levels = model.levels(torch.tensor([[*row, 0]]))[0, -1].tolist()
            weights = weights_by_the_book(levels)
            scale = (2**24 - size) / sum(weights)
            bounds = [int(sum(weights[:k]) * scale) + k for k in range(size)] + [2**24]
            unit = span // 2**24
            place_in_scale = (point - low) % 2**64 // unit
            assert place_in_scale < 2**24
            code = max(k for k in range(size) if bounds[k] <= place_in_scale)
            row.append(code)
            low = (low + unit * bounds[code]) % 2**64
            span = unit * (bounds[code + 1] - bounds[code])
            if span < 2**32:
                low, span = low * 2**32 % 2**64, span * 2**32
                following = int.from_bytes(payload[place : place + 4].ljust(4, b"\0"), "big")
                point = point * 2**32 % 2**64 + following
                place += 4
    return rows


def shortest_by_the_book(codes: np.ndarray, model) -> bytes:
    """The encoder of the docstring, its interval in fractions of any length."""
    channels, count = codes.shape
    size = model.codebook_size
    levels = model.levels(torch.from_numpy(codes)).tolist()
    low, span, bits = 0, 2**64 - 1, 64
    for n in range(count):
        for channel in range(channels):
            weights = weights_by_the_book(levels[channel][n])
            scale = (2**24 - size) / sum(weights)
            bounds = [int(sum(weights[:k]) * scale) + k for k in range(size)] + [2**24]
            code = codes[channel, n]
            unit = span // 2**24
            low, span = low + unit * bounds[code], unit * (bounds[code + 1] - bounds[code])
            if span < 2**32:
                low, span, bits = low * 2**32, span * 2**32, bits + 32
    for shift in range(bits, -1, -8):
        least = -(-low >> shift)
        if least << shift < low + span:
            return least.to_bytes((bits - shift) // 8, "big")
    raise AssertionError


@pytest.mark.parametrize(("channels", "count"), [(1, 1), (1, 90), (3, 25), (2, 2)])
def test_the_payload_is_what_the_specification_says(channels, count):
    model = small_integer_prior()
    coder = EntropyCoder(model, FINGERPRINT)
    codes = np.random.default_rng(count).integers(0, K, (channels, count))
    payload = coder.encode(codes)
    assert payload == shortest_by_the_book(codes, model)
    assert decode_by_the_book(payload, model, channels, count) == codes.tolist()


def test_counts_are_what_the_specification_says():
    levels = np.arange(-900, 5).astype(np.int32)
    np.random.default_rng(0).shuffle(levels)
    assert counts(levels).tolist() == weights_by_the_book(levels.tolist())
    assert counts(levels).dtype == np.int64
    both = np.stack([levels, levels[::-1] - 10**6])
    assert np.array_equal(counts(both)[1], counts(levels)[::-1])


@settings(max_examples=80, deadline=None)
@given(
    codebook_size=st.sampled_from([2, 3, 17, 512, 1000]),
    channels=st.integers(1, 4),
    count=st.integers(1, 200),
    spread=st.sampled_from([0, 1, 30, 700, 10**5]),
    seed=st.integers(0, 2**32),
)
def test_any_codes_come_back_whatever_was_predicted(codebook_size, channels, count, spread, seed):
    rng = np.random.default_rng(seed)
    model = Bigram(habits(1, 10, codebook_size), codebook_size)
    table = rng.integers(-spread, spread + 1, model.table.shape)
    model.table = torch.from_numpy(table.astype(np.int32))
    coder = EntropyCoder(model, FINGERPRINT)
    codes = rng.integers(0, codebook_size, (channels, count))
    if seed % 2:  # what is most probable: next to no bits
        codes = codes * 0 + table.argmax(axis=1)[0]
    (decoded,) = coder.decode([coder.encode(codes)], [count], channels)
    assert np.array_equal(decoded, codes)


def test_what_is_certain_takes_no_bytes():
    model = Bigram(np.zeros((1, 9), np.int64), 5)
    model.table = torch.tensor([[0, -9999, -9999, -9999, -9999]] * 6, dtype=torch.int32)
    coder = EntropyCoder(model, FINGERPRINT)
    zeros = np.zeros((2, 400), np.int64)
    assert coder.encode(zeros) == b""
    assert np.array_equal(coder.decode([b""], [400], 2)[0], zeros)


@pytest.mark.parametrize("channels", [1, 2])
def test_blocks_side_by_side_are_as_alone(channels):
    coder = EntropyCoder(small_integer_prior(), FINGERPRINT)
    rng = np.random.default_rng(0)
    lengths = (40, 1, 40, 33, 40, 40, 2, 39)
    blocks = [rng.integers(0, K, (channels, length)) for length in lengths]
    payloads = [coder.encode(block) for block in blocks]
    shares = []
    together = coder.decode(payloads, lengths, channels, shares.append)
    for block, payload, beside_others in zip(blocks, payloads, together, strict=True):
        (alone,) = coder.decode([payload], [block.shape[1]], channels)
        assert np.array_equal(alone, block)
        assert np.array_equal(beside_others, block)
    assert shares == sorted(shares)
    assert 0 < shares[0] <= shares[-1] <= 1


def test_threads_make_no_difference():
    coder = EntropyCoder(small_integer_prior(), FINGERPRINT)
    codes = np.random.default_rng(0).integers(0, K, (2, 20))
    before = torch.get_num_threads()
    payloads = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            payloads.append(coder.encode(codes))
            assert np.array_equal(coder.decode(payloads[:1], [20], 2)[0], codes)
    finally:
        torch.set_num_threads(before)
    assert payloads[0] == payloads[1]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_writes_and_reads_the_same():
    coder = EntropyCoder(small_integer_prior(), FINGERPRINT)
    there = EntropyCoder(small_integer_prior().to("cuda"), FINGERPRINT)
    codes = np.random.default_rng(0).integers(0, K, (2, 300))
    payload = coder.encode(codes)
    assert there.encode(codes) == payload
    assert np.array_equal(there.decode([payload], [300], 2)[0], codes)


@pytest.mark.parametrize("count", [750, 1536])
def test_the_coder_adds_less_than_a_percent(count):
    for seed in range(5):
        codes = habits(1, count, seed=seed)
        bits = 8 * len(CODER.encode(codes))
        assert -8 < bits - CODER.model.bits(codes) < 0.01 * bits


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_what_the_encoder_does_not_write_is_refused(data):
    codes = habits(1, 40, seed=data.draw(st.integers(0, 99)))
    payload = CODER.encode(codes)
    at = data.draw(st.integers(0, len(payload)))
    cut, new = data.draw(st.integers(0, 5)), data.draw(st.binary(max_size=5))
    damaged = payload[:at] + new + payload[at + cut :]
    if damaged == payload:
        return
    with suppress(ContainerError):
        (decoded,) = CODER.decode([damaged], [40], 1)
        assert CODER.encode(decoded) == damaged


@pytest.mark.parametrize(
    "payload", [b"\xff" * 30, b"\xff" * 8, bytes(30), b"\0", b"\x80" + bytes(9)]
)
def test_hostile_payloads_are_refused(payload):
    with pytest.raises(ContainerError, match="damaged"):
        CODER.decode([payload], [12], 1)


def test_more_than_it_takes_is_refused():
    with pytest.raises(ContainerError, match="damaged"):
        CODER.decode([CODER.encode(habits(1, 100))], [90], 1)
