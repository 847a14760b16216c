import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vqaudio.codes import Codes, codes_fit, count_codes
from vqaudio.errors import VqaudioError

FRAME, HOP, MODEL_RATE = 128, 64, 16000


def make_codes(lengths=(44100,), sample_rate=44100, codebook_size=512, seed=0) -> Codes:
    count = count_codes(max(lengths), sample_rate, MODEL_RATE, FRAME, HOP)
    generator = torch.Generator().manual_seed(seed)
    indices = torch.randint(codebook_size, (len(lengths), count), generator=generator)
    for row, length in enumerate(lengths):
        indices[row, count_codes(length, sample_rate, MODEL_RATE, FRAME, HOP) :] = 0
    return Codes(
        indices=indices,
        codebook_size=codebook_size,
        hop=HOP,
        model_rate=MODEL_RATE,
        sample_rate=sample_rate,
        lengths=tuple(lengths),
        levels=tuple(-20.5 - row for row in range(len(lengths))),
        model=bytes(range(1, 9)),
        frame_codes=FRAME // HOP,
    )


@given(st.integers(1, 10**12), st.integers(1000, 768_000))
def test_count_is_the_least_number_of_pairs_that_covers_the_samples(length, sample_rate):
    count = count_codes(length, sample_rate, MODEL_RATE, FRAME, HOP)
    assert count % 2 == 0
    assert count * HOP * sample_rate >= length * MODEL_RATE
    assert (count - 2) * HOP < math.ceil(length * MODEL_RATE / sample_rate) + 1
    assert codes_fit(count, length, sample_rate, MODEL_RATE, HOP)
    assert not codes_fit(count + 5, length, sample_rate, MODEL_RATE, HOP)
    assert not codes_fit(count - 2, length, sample_rate, MODEL_RATE, HOP)


def test_known_counts():
    assert count_codes(160_000, 16_000, MODEL_RATE, FRAME, HOP) == 2500
    assert count_codes(1, 16_000, MODEL_RATE, FRAME, HOP) == 2
    assert count_codes(128, 16_000, MODEL_RATE, FRAME, HOP) == 2
    assert count_codes(129, 16_000, MODEL_RATE, FRAME, HOP) == 4
    assert count_codes(441, 44_100, MODEL_RATE, FRAME, HOP) == 4  # 160 samples at 16 kHz


def test_rows_are_cut_to_their_own_codes():
    codes = make_codes(lengths=(16000, 5000, 1), sample_rate=16000)
    assert len(codes) == 3
    assert [codes.num_codes(row) for row in range(3)] == [250, 80, 2]
    assert [row.indices.shape for row in codes] == [(1, 250), (1, 80), (1, 2)]
    last = codes[-1]
    assert last.lengths == (1,)
    assert last.levels == codes.levels[2:]
    assert codes.duration == 1.0
    assert codes.bits_per_code == 9
    with pytest.raises(IndexError):
        codes[3]


def test_the_count_of_a_row_hangs_on_the_frame():
    indices = torch.zeros(2, 250, dtype=torch.int64)
    terms = 512, 64, 16000, 16000, (16000, 5000), (0.0, 0.0), bytes(8)  # 78.1 codes
    counts = [Codes(indices, *terms, frame).num_codes(1) for frame in (1, 2, 3, 4)]
    assert counts == [79, 80, 81, 80]
    with pytest.raises(VqaudioError, match="frame_codes"):
        Codes(indices, *terms)


def test_what_a_file_does_not_keep_makes_no_difference():
    codes = make_codes()
    assert codes.equal(replace(codes, frame_codes=None))
    ragged = make_codes(lengths=(16000, 5000), sample_rate=16000)
    assert ragged.num_codes(1) == 80
    assert not ragged.equal(replace(ragged, frame_codes=1))


def test_equal_looks_at_every_field():
    codes = make_codes()
    assert codes.equal(make_codes())
    assert not codes.equal(make_codes(seed=1))
    assert not codes.equal(replace(codes, levels=(-3.0,)))
    assert not codes.equal(replace(codes, model=bytes(8)))
    assert not codes.equal(replace(codes, lengths=(44099,)))


@pytest.mark.parametrize(
    "changes",
    [
        {"indices": torch.zeros(1, 250)},
        {"indices": torch.zeros(250, dtype=torch.int64)},
        {"indices": torch.full((1, 250), 512)},
        {"indices": torch.full((1, 250), -1)},
        {"indices": torch.zeros(1, 240, dtype=torch.int64)},
        {"indices": torch.zeros(1, 260, dtype=torch.int64)},
        {"indices": torch.zeros(0, 250, dtype=torch.int64), "lengths": (), "levels": ()},
        {"codebook_size": 1},
        {"codebook_size": 70_000},
        {"hop": 0},
        {"model_rate": 0},
        {"sample_rate": 0},
        {"sample_rate": 10_000_000},
        {"sample_rate": 44100.0},
        {"lengths": (44100.0,)},
        {"frame_codes": 0},
        {"frame_codes": 5},
        {"frame_codes": None, "lengths": (44100, 1), "levels": (0.0, 0.0)}
        | {"indices": torch.zeros(2, 252, dtype=torch.int64)},
        {"lengths": (0,)},
        {"lengths": (0,), "indices": torch.zeros(1, 0, dtype=torch.int64)},
        {
            "lengths": (44100, 0),
            "levels": (0.0, 0.0),
            "indices": torch.zeros(2, 250, dtype=torch.int64),
        },
        {"lengths": (44100, 44100)},
        {"levels": (0.25,)},
        {"levels": (64.0,)},
        {"levels": (float("nan"),)},
        {"model": b"short"},
    ],
)
def test_nonsense_is_refused(changes):
    codes = make_codes()
    with pytest.raises(VqaudioError) as caught:
        replace(codes, **changes)
    assert "\n" not in str(caught.value)
