from itertools import product

import numpy as np
import pytest

from vqaudio.evaluation.priors.ngram import NGram

K = 5


def some_clips(seed: int, count: int = 8, length: int = 60) -> list[np.ndarray]:
    """Of a Markov chain in which each code is followed by one of two."""
    random = np.random.default_rng(seed)
    clips = []
    for _ in range(count):
        clip = [int(random.integers(K))]
        for _ in range(length - 1):
            clip.append((2 * clip[-1] + int(random.integers(2))) % K)
        clips.append(np.array(clip, np.uint16))
    return clips


@pytest.mark.parametrize("order", [1, 2, 3])
def test_probabilities_sum_to_one_after_every_context(order):
    """Seen contexts, unseen ones, and the start of a clip."""
    model = NGram(some_clips(0, count=2, length=9), order, K)
    for context in [(), *product(range(K), repeat=1), *product(range(K), repeat=2)]:
        costs = [model.bits(np.array([*context, code]))[-1] for code in range(K)]
        assert np.exp2(-np.array(costs)).sum() == pytest.approx(1, abs=1e-6)


def test_a_longer_context_pays_where_it_tells_something():
    train, held_out = some_clips(0), some_clips(1)
    unigram, bigram, trigram = (
        np.concatenate([NGram(train, order, K).bits(clip) for clip in held_out]).mean()
        for order in (1, 2, 3)
    )
    assert unigram == pytest.approx(np.log2(K), abs=0.05)
    assert bigram == pytest.approx(1, abs=0.15)
    assert trigram == pytest.approx(bigram, abs=0.15)


def test_a_unigram_knows_frequencies():
    train = [np.array([0, 0, 0, 0, 0, 0, 1, 1, 2], np.uint16)] * 1000
    shares = np.exp2(-NGram(train, 1, 3).bits(np.array([0, 1, 2])))
    assert shares == pytest.approx([6 / 9, 2 / 9, 1 / 9], abs=1e-3)


def test_kneser_ney_by_hand():
    """Bigrams of one clip 0 1 1 (and what comes before it), all discounts one half."""
    model = NGram([np.array([0, 1, 1], np.uint16)], 2, 3)
    # 0 once after the start, 1 after 0 and after 1: in one and in two contexts.
    below = {0: 0.5 / 3 + 1 / 9, 1: 1.5 / 3 + 1 / 9, 2: 1 / 9}
    wanted = [0.5 + 0.5 * below[0], 0.5 * below[2], below[1]]
    assert np.exp2(-model.bits(np.array([0, 2, 1]))) == pytest.approx(wanted)


def test_clips_do_not_run_into_each_other():
    """Nor does it matter how many clips of a corpus come before one."""
    first, second = np.array([0, 1, 0, 1], np.uint16), np.array([2, 3, 2, 3], np.uint16)
    model = NGram([first, second] * 20, 3, 4)
    swapped = NGram([second, first] * 20, 3, 4)
    for clip in (first, second, np.array([1, 2, 0])):
        assert np.array_equal(model.bits(clip), swapped.bits(clip))
    assert model.bits(np.array([0, 1, 2]))[2] > 4  # 2 never follows 1
    assert model.bits(first)[0] == pytest.approx(1, abs=0.1)  # a clip starts with 0 or 2


def test_short_clips():
    model = NGram([np.array([3], np.uint16), np.array([1, 2], np.uint16)], 3, K)
    assert len(model.bits(np.array([], np.uint16))) == 0
    assert len(model.bits(np.array([3], np.uint16))) == 1


@pytest.mark.parametrize("order", [0, 4])
def test_orders_that_there_are(order):
    with pytest.raises(ValueError, match="order must be 1, 2 or 3"):
        NGram(some_clips(0), order, K)
