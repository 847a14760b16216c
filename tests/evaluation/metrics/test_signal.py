import numpy as np
import pytest

from vqaudio.evaluation.metrics import SAMPLE_RATE, estoi, mel_distance, pesq_wb, si_sdr
from vqaudio.evaluation.metrics.signal import PESQ_WORST


def test_known_values(original, noise):
    noise = noise - noise.mean() - original * (noise @ original) / (original @ original)
    noise *= np.linalg.norm(original) / np.linalg.norm(noise) * 0.1
    assert si_sdr(original - original.mean(), original + noise) == pytest.approx(20, abs=0.1)


@pytest.mark.parametrize("function", [si_sdr, mel_distance, estoi])
def test_gain_makes_no_difference(function, original, noise):
    decoded = original + 0.2 * noise
    assert function(original, 3 * decoded) == pytest.approx(function(original, decoded), abs=1e-3)


def test_pesq_of_a_long_clip_is_the_mean_of_its_pieces(needs, original, noise):
    """Its package crashes past 50 utterances: here are 61 in 25 s, pauses between."""
    needs("pesq_wb")
    time = np.arange(25 * SAMPLE_RATE) / SAMPLE_RATE
    reference = np.resize(original, len(time)) * (time % 0.41 < 0.205)
    decoded = reference + 0.1 * np.resize(noise, len(time))
    half = len(time) // 2
    pieces = [pesq_wb(reference[part], decoded[part]) for part in (np.s_[:half], np.s_[half:])]
    assert pesq_wb(reference, decoded) == pytest.approx(np.mean(pieces))
    mute = decoded.copy()
    mute[half:] = 0  # a piece that only the codec has silenced
    assert pesq_wb(reference, mute) == pytest.approx((pieces[0] + PESQ_WORST) / 2)
    assert np.isnan(pesq_wb(reference, 0 * decoded))
    reference[half:] = 0
    assert pesq_wb(reference, decoded) == pieces[0]


def test_estoi_is_repeatable_and_leaves_the_global_generator_alone(needs, original, noise):
    needs("estoi")
    np.random.seed(7)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(7)  # noqa: NPY002
    scores = {estoi(original, original + gain * noise) for gain in [0.3] * 5}
    assert len(scores) == 1
    assert np.random.random() == expected  # noqa: NPY002
