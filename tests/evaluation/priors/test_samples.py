import numpy as np
import pytest
import torch

from vqaudio.codes import Codes
from vqaudio.evaluation.priors.samples import (
    GRAM,
    LONGEST_RUN,
    Reference,
    copied,
    describe,
    divergence,
    real_crops,
    run_histogram,
    shuffled,
    unigram_samples,
)
from vqaudio.evaluation.priors.scores import as_codes, blocks

K = 20


def codes_of(rows: np.ndarray) -> Codes:
    count = rows.shape[1]
    indices = torch.from_numpy(rows.astype(np.int64))
    return Codes(
        indices, K, 64, 16000, 16000, (64 * count,) * len(rows), (-20.0,) * len(rows), b"12345678"
    )


def test_divergence_is_0_for_equal_shares_and_1_for_nothing_in_common():
    first = np.array([3, 1, 0, 0])
    assert divergence(first, 5 * first) == 0
    assert divergence(first, first[::-1]) == 1
    half = divergence(np.array([1, 0]), np.array([1, 1]))
    assert half == divergence(np.array([1, 1]), np.array([1, 0]))
    assert half == pytest.approx((np.log2(4 / 3) + np.log2(2 / 3) / 2 + 1 / 2) / 2)


def test_run_histogram():
    rows = [np.array([1, 1, 2, 3, 3, 3], np.uint16), np.zeros(LONGEST_RUN + 9, np.uint16)]
    runs = run_histogram(rows)
    assert {n + 1: int(runs[n]) for n in np.flatnonzero(runs)} == {1: 1, 2: 1, 3: 1, LONGEST_RUN: 1}


def test_copied_against_every_stretch():
    random = np.random.default_rng(0)
    train = [random.integers(2, size=n).astype(np.uint16) for n in (3, 40, 8, 100)]
    samples = random.integers(2, size=(3, 50))

    def grams(rows):
        return [tuple(row[i : i + GRAM]) for row in rows for i in range(len(row) - GRAM + 1)]

    known = set(grams(train))
    wanted = np.mean([gram in known for gram in grams(samples)])
    assert 0 < wanted < 1
    assert copied(samples, train, 2) == pytest.approx(wanted)


def test_nothing_is_copied_across_two_clips():
    row = np.arange(16)
    assert copied([row], [row], K) == 1
    assert copied([row], [row[:4], row[4:8], row[:7]], K) == 0
    assert copied([row[: GRAM - 1]], [row], K) == 0


def test_crops_are_stretches_of_clips():
    clips = [np.arange(5), np.arange(100, 112), np.arange(200, 206)]
    crops = real_crops(clips, 200, 6, seed=0)
    assert crops.shape == (200, 6)
    assert (np.diff(crops) == 1).all()
    assert set(crops[:, 0]) == {*range(100, 107), 200}
    assert np.array_equal(crops, real_crops(clips, 200, 6, seed=0))


def test_crops_of_clips_that_are_too_short():
    assert real_crops([np.array([1, 2]), np.array([3])], 2, 3, 0).tolist() == [[1, 2, 3]] * 2
    assert real_crops([np.array([1, 2])], 1, 5, 0).tolist() == [[1, 2, 1, 2, 1]]


def test_what_has_only_frequencies_right():
    rows = np.repeat(np.arange(4), 100).reshape(4, 100)
    mixed = shuffled(rows, 0)
    assert np.array_equal(np.sort(mixed.ravel()), rows.ravel())
    reference = Reference(list(rows), K)
    drawn = unigram_samples(reference.codes, 4, 100, 0)
    for other in (mixed, drawn):
        told = describe(codes_of(other), reference, {})
        assert told["code_distance"] < 0.01
        assert told["run_distance"] > 0.9


def test_judges_see_every_code():
    rows = np.arange(6).reshape(2, 3)

    def bits(codes: Codes) -> np.ndarray:
        return codes.indices.numpy().ravel().astype(float)

    told = describe(codes_of(rows), Reference(list(rows), K), {"judge": bits})
    assert told == {"code_distance": 0, "run_distance": 0, "bits_per_code": {"judge": 2.5}}


def test_blocks_are_those_of_a_file():
    codes = codes_of(np.arange(2 * 1536 + 5)[None] % K)
    parts = blocks(codes)
    assert [part.indices.shape[1] for part in parts] == [1536, 1536, 5]
    assert torch.equal(torch.cat([part.indices for part in parts], dim=1), codes.indices)
    assert [part.indices.shape[1] for part in blocks(as_codes(np.zeros((1, 1536)), codes))] == [
        1536
    ]
