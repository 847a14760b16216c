from pathlib import Path

import pytest
import soundfile
import torch

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="session")
def speech_path() -> Path:
    """A sentence of read English, 16 kHz mono."""
    return DATA / "1455-134435-0000.flac"


@pytest.fixture(scope="session")
def speech(speech_path) -> tuple[torch.Tensor, int]:
    """The samples of `speech_path`, float32 [T], and their rate."""
    samples, rate = soundfile.read(speech_path, dtype="float32")
    return torch.from_numpy(samples), rate
