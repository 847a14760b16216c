import numpy as np
import pytest

from vqaudio.evaluation.metrics import METRICS, SAMPLE_RATE, align, estoi, mel_distance, si_sdr

BEST = {"pesq_wb": 4.64, "estoi": 1, "si_sdr": 100, "mel_distance": 0}


@pytest.fixture(scope="module")
def original(speech):
    wave, rate = speech
    assert rate == SAMPLE_RATE
    return wave[: 4 * rate].numpy()


@pytest.fixture(scope="module")
def noise(original):
    noise = np.random.default_rng(0).standard_normal(len(original)).astype(np.float32)
    return noise * original.std()


@pytest.mark.parametrize("name", METRICS)
def test_best_of_itself_and_worse_with_noise(name, original, noise):
    metric = METRICS[name]
    scores = [metric.function(original, original + gain * noise) for gain in (0, 0.1, 0.5)]
    assert scores[0] == pytest.approx(BEST[name], abs=0.01)
    assert scores == sorted(scores, reverse=metric.higher_is_better)
    assert len(set(scores)) == 3


def test_known_values(original, noise):
    noise = noise - noise.mean() - original * (noise @ original) / (original @ original)
    noise *= np.linalg.norm(original) / np.linalg.norm(noise) * 0.1
    assert si_sdr(original - original.mean(), original + noise) == pytest.approx(20, abs=0.1)


@pytest.mark.parametrize("function", [si_sdr, mel_distance, estoi])
def test_gain_makes_no_difference(function, original, noise):
    decoded = original + 0.2 * noise
    assert function(original, 3 * decoded) == pytest.approx(function(original, decoded), abs=1e-3)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("length", [1, 10, 1000, 2 * SAMPLE_RATE])
def test_silence_is_nan(name, length):
    silence = np.zeros(length, np.float32)
    assert np.isnan(METRICS[name].function(silence, silence))


@pytest.mark.parametrize("name", ["pesq_wb", "estoi"])
def test_a_click_is_too_short_to_judge(name, original):
    assert np.isnan(METRICS[name].function(original[:100], original[:100]))


@pytest.mark.parametrize("delay", [0, 1, -1, 37, 640, 1600, -1600])
def test_a_delay_is_undone(delay, original, noise):
    late = np.concatenate([np.zeros(max(delay, 0), np.float32), original[max(-delay, 0) :]])
    reference, decoded = align(original, 0.1 * (late + 0.1 * noise[: len(original)].mean()))
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


def test_nothing_to_align():
    with pytest.raises(ValueError, match="no samples"):
        align(np.zeros(0), np.zeros(10))


def _stft(wave):
    import librosa

    return librosa.stft(wave, n_fft=256, hop_length=64)


def _istft(spectrum, length):
    import librosa

    return librosa.istft(spectrum, hop_length=64, n_fft=256, length=length)
