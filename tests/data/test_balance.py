import numpy as np
import pytest

from vqaudio.data.balance import SpeakerBalance, rows_of_rank

CLIPS = ["a", "b", "c"]
SPEAKERS = ["anna", "anna", "bert"]
LENGTHS = [300, 600, 100]


def shares(power):
    balance = SpeakerBalance(CLIPS, SPEAKERS, LENGTHS, power)
    drawn = [balance.draw(np.random.default_rng(n)) for n in range(4000)]
    return [drawn.count(clip) / len(drawn) for clip in CLIPS]


def test_speakers_by_the_power_of_what_they_say_and_clips_by_length():
    assert shares(1.0) == pytest.approx([0.3, 0.6, 0.1], abs=0.03)
    assert shares(0.5) == pytest.approx([0.25, 0.5, 0.25], abs=0.03)
    assert shares(0.0) == pytest.approx([1 / 6, 1 / 3, 1 / 2], abs=0.03)


def test_rows_are_shared_among_ranks():
    assert [*rows_of_rank(6, 0, 2), *rows_of_rank(6, 1, 2)] == [*range(6)]
    with pytest.raises(ValueError, match="4 ranks"):
        rows_of_rank(6, 0, 4)
