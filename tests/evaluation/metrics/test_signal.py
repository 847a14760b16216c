import numpy as np
import pytest

from vqaudio.evaluation.metrics import estoi, mel_distance, si_sdr


def test_known_values(original, noise):
    noise = noise - noise.mean() - original * (noise @ original) / (original @ original)
    noise *= np.linalg.norm(original) / np.linalg.norm(noise) * 0.1
    assert si_sdr(original - original.mean(), original + noise) == pytest.approx(20, abs=0.1)


@pytest.mark.parametrize("function", [si_sdr, mel_distance, estoi])
def test_gain_makes_no_difference(function, original, noise):
    decoded = original + 0.2 * noise
    assert function(original, 3 * decoded) == pytest.approx(function(original, decoded), abs=1e-3)


def test_estoi_is_repeatable_and_leaves_the_global_generator_alone(needs, original, noise):
    needs("estoi")
    np.random.seed(7)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(7)  # noqa: NPY002
    scores = {estoi(original, original + gain * noise) for gain in [0.3] * 5}
    assert len(scores) == 1
    assert np.random.random() == expected  # noqa: NPY002
