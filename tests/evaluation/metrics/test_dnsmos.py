import numpy as np
import pytest

from vqaudio.evaluation.metrics import SAMPLE_RATE, dnsmos


@pytest.fixture(autouse=True)
def judge(needs):
    needs("dnsmos")


@pytest.mark.parametrize("seconds", [5, 11.2])
def test_as_its_own_package_computes_it(seconds, original):
    package = pytest.importorskip("speechmos.dnsmos")
    wave = np.resize(original, int(seconds * SAMPLE_RATE))
    expected = package.run(wave, SAMPLE_RATE)["ovrl_mos"]
    assert dnsmos(wave, wave) == pytest.approx(expected, abs=1e-4)


def test_the_original_is_not_looked_at(original, noise):
    assert dnsmos(noise, original) == dnsmos(original, original) > 2


def test_too_short(original):
    assert np.isnan(dnsmos(original[:15999], original[:15999]))
