import numpy as np
import pytest

from vqaudio.evaluation.phonemes.features import cluster, mfcc
from vqaudio.evaluation.phonemes.scoring import Frames, half_of, mapping, score


def frames_of(phones, num_speakers=8):
    speakers = np.arange(len(phones)) % num_speakers
    return Frames(phones, speakers, speakers % 2)


def test_a_code_is_its_most_frequent_phone_and_unseen_ones_the_most_frequent_of_all():
    codes = np.array([0, 0, 0, 1, 1, 3])
    phones = np.array([2, 2, 1, 0, 0, 2])
    assert mapping(codes, phones, 5).tolist() == [2, 0, 2, 2, 2]


@pytest.mark.parametrize("seed", [0, 1])
def test_the_score_of_what_is_known(seed):
    """Codes that tell everything, half of it and nothing."""
    random = np.random.default_rng(seed)
    phones = random.choice(4, p=[0.4, 0.3, 0.2, 0.1], size=20000)
    frames = frames_of(phones)
    perfect = phones * 2 + random.integers(2, size=len(phones))
    assert score((perfect, perfect), 8, frames)["accuracy"] == 1
    noise = random.integers(4, size=len(phones))
    mixed = np.where(random.random(len(phones)) < 0.5, phones, 4 + noise)
    told = score((mixed, mixed), 8, frames)
    assert told["accuracy"] == pytest.approx(0.5 + 0.5 * 0.4, abs=0.02)
    assert told["low"] < told["accuracy"] < told["high"]
    blind = random.integers(8, size=len(phones))
    assert score((blind, blind), 8, frames)["accuracy"] == pytest.approx(0.4, abs=0.02)
    assert score((blind, blind), 8, frames) == score((blind, blind), 8, frames)


def test_a_half_is_never_scored_with_its_own_phones():
    """A code a moment would tell everything of the half it was learnt on."""
    phones = np.random.default_rng(0).integers(4, size=1000)
    codes = np.arange(1000)
    assert score((codes, codes), 1000, frames_of(phones))["accuracy"] < 0.4


def test_halves_of_speakers():
    names = [f"speaker{n}" for n in range(9)]
    halves = half_of(names * 3)
    assert halves == half_of(reversed(names))
    assert sorted(halves.values()) == [0] * 5 + [1] * 4


def test_k_means_on_mfcc_tells_a_tone_from_noise():
    rate, seconds = 16000, 2
    random = np.random.default_rng(0)
    tone = np.sin(np.arange(rate * seconds) * 0.2).astype(np.float32)
    noise = random.normal(size=rate * seconds).astype(np.float32)
    moments = (np.arange(50) + 0.5) * 0.04
    both = mfcc(np.concatenate([tone, noise]), rate, np.concatenate([moments, moments + seconds]))
    assert both.shape == (100, 39)
    frames = frames_of(np.repeat([0, 1], 50), 4)
    codes = cluster(both, frames.halves, 4)
    assert [len(one) for one in codes] == [100, 100]
    assert score(codes, 4, frames)["accuracy"] > 0.9
