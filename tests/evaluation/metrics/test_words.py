import numpy as np
import pytest
import soundfile

from tests.conftest import SPEECH
from vqaudio.evaluation.metrics import METRICS, SAMPLE_RATE, num_words, wer
from vqaudio.evaluation.metrics.words import (
    LONGEST,
    SHORTEST,
    _cut,
    _original,
    edit_distance,
    normalise,
)


@pytest.fixture(scope="module")
def long_clip():
    """18 s, two sentences."""
    paths = sorted(SPEECH.glob("*.flac"))
    return np.concatenate([soundfile.read(path, dtype="float32")[0] for path in paths])


def test_normalise():
    assert normalise("“Don’t!” said Mr. O'Neill,\n— a shop-boy.") == [
        *("dont", "said", "mr", "oneill", "a", "shop", "boy")
    ]
    assert normalise(" -- ... ") == []


@pytest.mark.parametrize(
    ("first", "second", "distance"),
    [("", "", 0), ("a b", "", 2), ("", "a b", 2), ("a b c", "a x c d", 2), ("a b c", "b c a", 2)],
)
def test_edit_distance(first, second, distance):
    assert edit_distance(first.split(), second.split()) == distance


def test_the_words_are_heard(needs, speech):
    needs("wer")
    wave = speech[0].numpy()
    said = "the girl who came into the world on that night when jesse ran through the fields"
    heard = _original(wave)[1]
    assert edit_distance(said.split(), heard[:16]) <= 1
    assert num_words(wave) == len(heard) > 25


def test_a_missing_half_is_words_deleted(needs, speech):
    needs("wer")
    wave = speech[0].numpy()
    half = wave.copy()
    half[len(half) // 2 :] = 0
    assert 30 < wer(wave, half) < 70
    assert wer(wave, np.zeros_like(wave)) == 100


def test_the_weight_makes_it_the_rate_over_all_words(needs, original, speech, noise):
    metric = needs("wer")
    assert metric is METRICS["wer"]
    first, second = original, speech[0].numpy()[len(original) :]
    clips = [(first, first + noise), (second, second)]
    weights = [metric.weight(reference) for reference, _ in clips]
    mean = np.average([wer(*clip) for clip in clips], weights=weights)
    wrong = round(wer(*clips[0]) / 100 * weights[0])
    assert wrong > 0
    assert mean == pytest.approx(100 * wrong / sum(weights))
    assert metric.weight(np.zeros(SAMPLE_RATE, np.float32)) == 0


def test_long_clips_are_cut_where_it_is_quiet(long_clip):
    ends = _cut(np.tile(long_clip, 3))
    assert ends[-1] == 3 * len(long_clip)
    assert max(np.diff([0, *ends])) <= LONGEST * SAMPLE_RATE
    cut = ends[0]
    loudness = np.square(long_clip).mean()
    assert np.square(long_clip[cut - 800 : cut + 800]).mean() < 0.05 * loudness


def test_no_scrap_is_left_at_the_end(long_clip):
    """The recogniser makes up words in what is very short."""
    wave = long_clip[: 15 * SAMPLE_RATE + 200].copy()
    wave[-1800:] = 0  # the quietest moment is at the very end
    first, end = _cut(wave)
    assert end == len(wave)
    assert end - first >= SHORTEST * SAMPLE_RATE


def test_long_clips_are_heard_to_the_end(needs, long_clip):
    needs("wer")
    assert wer(long_clip, long_clip) == 0
    assert num_words(long_clip) > 40


def test_an_original_is_heard_once(monkeypatch, original):
    heard = []

    def transcribe(wave, ends):
        heard.append(wave)
        return ["word"]

    monkeypatch.setattr("vqaudio.evaluation.metrics.words._transcribe", transcribe)
    reference = original[:-1]  # that no other test has had transcribed
    for gain in (0.1, 0.2):
        assert wer(reference, gain * reference) == 0
    assert num_words(reference) == 1
    assert len(heard) == 3


def test_too_short(needs, original):
    needs("wer")
    assert np.isnan(wer(original[:7999], original[:7999]))
    assert num_words(original[:7999]) == 0
