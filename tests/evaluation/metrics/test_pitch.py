import librosa
import numpy as np
import pytest

from vqaudio.evaluation.metrics import SAMPLE_RATE, f0_rmse, voicing_error


@pytest.fixture(autouse=True)
def praat(needs):
    needs("f0_rmse")


@pytest.mark.parametrize("cents", [-200, 400, 500])
def test_a_shift_of_pitch_is_measured(cents, original):
    shifted = librosa.effects.pitch_shift(original, sr=SAMPLE_RATE, n_steps=cents / 100)
    assert f0_rmse(original, shifted) == pytest.approx(abs(cents), rel=0.2)


def test_a_whisper_has_no_pitch(original):
    """A stand-in for whispering: the spectral envelope of speech on noise."""
    spectrum = librosa.stft(original, n_fft=256)
    noise = librosa.stft(np.random.default_rng(0).standard_normal(len(original)), n_fft=256)
    whisper = librosa.istft(np.abs(spectrum) * noise, n_fft=256, length=len(original))
    assert 20 < voicing_error(original, whisper) < 80
    assert np.isnan(f0_rmse(original, np.zeros_like(original)))
    assert voicing_error(original, np.zeros_like(original)) > 20


def test_gain_makes_no_difference(original):
    assert f0_rmse(original, 0.1 * original) == pytest.approx(0, abs=1)
    assert voicing_error(original, 0.1 * original) == pytest.approx(0, abs=0.5)


@pytest.mark.parametrize("length", [799, 800, 801, 802, 900, 1200])
def test_short_clips(length, original):
    voiced = original[SAMPLE_RATE : SAMPLE_RATE + length]
    for metric in (f0_rmse, voicing_error):
        assert metric(voiced, voiced) == 0 or np.isnan(metric(voiced, voiced))
