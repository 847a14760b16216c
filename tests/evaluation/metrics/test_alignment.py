import librosa
import numpy as np
import pytest

from vqaudio.evaluation.metrics import align, delay, estoi, si_sdr


@pytest.mark.parametrize("delay", [0, 1, -1, 37, 640, 1600, -1600])
def test_a_delay_is_undone(delay, original):
    late = np.concatenate([np.zeros(max(delay, 0), np.float32), original[max(-delay, 0) :]])
    reference, decoded = align(original, 0.1 * late)
    assert len(reference) == len(decoded) == len(original) - max(-delay, 0)
    assert si_sdr(reference, decoded) > 60


@pytest.mark.parametrize("delay", [0, 160, 640, -480])
def test_a_delay_is_undone_where_the_waveform_is_lost(delay, original):
    """A stand-in for a vocoder: spectrum kept, phases random."""
    spectrum = _stft(original)
    phases = np.random.default_rng(0).standard_normal((2, *spectrum.shape))
    phases = phases[0] + 1j * phases[1]
    vocoded = _istft(np.abs(spectrum) * phases / np.abs(phases), len(original))
    vocoded = np.concatenate([np.zeros(max(delay, 0)), vocoded[max(-delay, 0) :]])
    reference, _ = align(original, vocoded)
    cut = len(original) - len(reference)
    assert cut == pytest.approx(max(-delay, 0), abs=48)
    best = estoi(*align(original, vocoded))
    assert best > 0.6
    if abs(delay) > 200:
        assert best > estoi(original[: len(vocoded)], vocoded[: len(original)]) + 0.1


@pytest.mark.parametrize("length", [1, 2, 15, 16, 1599, 1600])
def test_short_clips_and_silence_align(length, noise):
    rng = np.random.default_rng(length)
    other = rng.standard_normal(length)
    for pair in ((noise[:length], other), (noise[:length], 0 * other), (0 * other, 0 * other)):
        reference, decoded = align(*pair)
        assert len(reference) == len(decoded) > 0


@pytest.mark.parametrize("late", [0, 37, 1600, -37, -1600])
def test_the_delay_is_told_in_samples(late, original):
    decoded = np.concatenate([np.zeros(max(late, 0)), original[max(-late, 0) :]])
    assert delay(original, 0.3 * decoded) == late


def test_nothing_to_align():
    with pytest.raises(ValueError, match="no samples"):
        align(np.zeros(0), np.zeros(10))


def _stft(wave):
    return librosa.stft(wave, n_fft=256, hop_length=64)


def _istft(spectrum, length):
    return librosa.istft(spectrum, hop_length=64, n_fft=256, length=length)
