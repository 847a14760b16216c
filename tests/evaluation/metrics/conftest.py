import numpy as np
import pytest

from vqaudio.evaluation.metrics import METRICS, SAMPLE_RATE


@pytest.fixture(scope="session")
def original(speech):
    """The first 5 s of a sentence, float32 [T] at 16 kHz."""
    wave, rate = speech
    assert rate == SAMPLE_RATE
    return wave[: 5 * rate].numpy()


@pytest.fixture(scope="session")
def noise(original):
    """White noise as loud as `original`."""
    noise = np.random.default_rng(0).standard_normal(len(original)).astype(np.float32)
    return noise * original.std()


@pytest.fixture
def needs():
    """Function that skips the test where a metric's packages are not installed."""

    def skip(name):
        if reason := METRICS[name].missing():
            pytest.skip(reason)
        return METRICS[name]

    return skip
