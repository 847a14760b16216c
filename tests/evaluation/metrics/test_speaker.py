import numpy as np
import pytest
import scipy.signal
import soundfile
import torch

from tests.conftest import SPEECH
from vqaudio.evaluation.metrics import SAMPLE_RATE, speaker


@pytest.fixture(autouse=True)
def judge(needs):
    needs("speaker")


def test_voices_are_told_apart(speech):
    wave = speech[0].numpy()
    half = len(wave) // 2
    other, _ = soundfile.read(SPEECH / "2414-128291-0005.flac", dtype="float32")
    same = speaker(wave[:half], wave[half:])
    assert same > 0.75
    assert speaker(wave[:half], other) < same - 0.15


def test_a_narrower_band_is_less_alike(original):
    filters = (
        scipy.signal.butter(6, cutoff, fs=SAMPLE_RATE, output="sos")
        for cutoff in (6000, 3400, 1000)
    )
    scores = [speaker(original, scipy.signal.sosfiltfilt(sos, original)) for sos in filters]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 0.9


def test_too_little_speech(original):
    mostly_silent = np.zeros_like(original)
    mostly_silent[:4000] = original[16000:20000]
    assert np.isnan(speaker(original, mostly_silent))
    assert np.isnan(speaker(mostly_silent, original))


def test_threads_of_torch_are_left_as_they_were(original):
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        speaker(original, original)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
