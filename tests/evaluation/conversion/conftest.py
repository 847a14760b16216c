import pytest

from tests.evaluation.conversion.small import cut_corpus
from vqaudio.evaluation.metrics import METRICS


@pytest.fixture(scope="session")
def told(tmp_path_factory):
    """What the model knows of both: the first 5 s, in clips of 1 s."""
    return cut_corpus(tmp_path_factory.mktemp("told"), 1.0, stop=5.0)


@pytest.fixture(scope="session")
def held_out(tmp_path_factory):
    """What they say then: a clip each, of 2.5 s."""
    return cut_corpus(tmp_path_factory.mktemp("held-out"), 2.5, start=5.0, stop=7.5)


@pytest.fixture
def voice_judge():
    if reason := METRICS["speaker"].missing():
        pytest.skip(reason)
