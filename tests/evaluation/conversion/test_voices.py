import numpy as np
import pytest

from tests.evaluation.conversion.small import SPEAKERS, recording
from vqaudio.errors import VqaudioError
from vqaudio.evaluation.conversion.voices import Take, Voices, check_rate, glued, takes_of
from vqaudio.evaluation.metrics.speaker import embedding


def test_clips_one_after_the_other(told):
    takes = takes_of([told])[SPEAKERS[0]]
    wave, used = glued(takes, 2.5)
    assert used == takes[:3]
    assert np.abs(wave - recording(SPEAKERS[0])[:40000]).max() < 1e-4
    wave, used = glued(takes, 60)
    assert (len(wave), used) == (5 * 16000, takes)
    assert glued([], 3)[0].size == 0


def test_a_voice_is_that_of_clips_that_are_not_judged(voice_judge, told, held_out):
    takes = takes_of([told])
    ann, bob = SPEAKERS
    voices = Voices(takes, takes[ann][1:])
    assert voices.of("nobody") is None
    heard = takes_of([held_out])[ann][0].wave()
    all_of_ann = Voices(takes, [])
    assert not np.array_equal(voices.of(ann), all_of_ann.of(ann))
    voice = embedding(heard)
    assert voice @ all_of_ann.of(ann) > voice @ all_of_ann.of(bob) + 0.1
    assert Voices(takes, takes[ann]).of(ann) is None


def test_the_start_of_a_clip(held_out):
    take = Take(held_out, held_out.clips[0])
    assert (len(take.wave(1)), len(take.wave(9)), len(take.wave())) == (16000, 40000, 40000)
    assert take.seconds == 2.5


def test_only_at_the_rate_of_the_judges(held_out, monkeypatch):
    check_rate(held_out)
    monkeypatch.setattr("vqaudio.evaluation.conversion.voices.SAMPLE_RATE", 8000)
    with pytest.raises(VqaudioError, match="16000 Hz, not 8000"):
        check_rate(held_out)
