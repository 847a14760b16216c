"""Whether the voice is kept: likeness of speaker embeddings.

Resemblyzer's voice encoder, trained by the generalised end-to-end loss of Wan et al. 2018 on
English read speech and interviews. Its weights come inside the package; torch loads them as
tensors only, running nothing of the file.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import numpy as np
import torch

from vqaudio.evaluation.metrics.alignment import SAMPLE_RATE
from vqaudio.evaluation.metrics.cache import once_per_wave
from vqaudio.evaluation.metrics.metric import Package

NEEDS = (Package("Resemblyzer", "resemblyzer"), Package("webrtcvad-wheels", "webrtcvad"))
SHORTEST = 0.8
"""Seconds of speech, half of what the encoder looks at in one go."""


def speaker(reference: np.ndarray, decoded: np.ndarray) -> float:
    """Cosine of the embeddings of both voices, 0 to 1; 1 is the same voice.

    Of read English, the halves of a clip make about 0.84 to 0.95 and clips of two speakers 0.47 to
    0.70. It hears the channel too: a telephone's band alone (300 to 3400 Hz) leaves 0.62 to 0.77 of
    the same clip. Speech backwards still makes 0.9: it knows nothing of words. Other languages than
    English are judged, how sharply is not known. nan where either has less than SHORTEST of speech.
    """
    before, after = _embedding_of_original(reference), embedding(decoded)
    return np.nan if before is None or after is None else float(before @ after)


def embedding(wave: np.ndarray) -> np.ndarray | None:
    """The voice in a mono wave, float [T] at 16 kHz, as a vector of length 1, float32 [256]: their
    products are the cosines. None where there is less than SHORTEST of speech."""
    if len(wave) < SHORTEST * SAMPLE_RATE or not wave.any():
        return None
    encoder, preprocess = _encoder()
    with _one_thread():
        speech = preprocess(np.clip(wave, -1, 1).astype(np.float32))
        if len(speech) < SHORTEST * SAMPLE_RATE:
            return None
        return encoder.embed_utterance(speech)


_embedding_of_original = once_per_wave(embedding)


@lru_cache(maxsize=1)
def _encoder():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports from a place that SciPy deprecates
        from resemblyzer import VoiceEncoder, preprocess_wav
    return VoiceEncoder("cpu", verbose=False), preprocess_wav


@contextmanager
def _one_thread() -> Iterator[None]:
    """The network is small, and its last digits shall not depend on the number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
