"""Whether the words are kept: word error rate of a recogniser against its own transcript.

The recogniser is Moonshine's tiny model (Jeffries et al. 2024, 27 M parameters, greedy decoding).
It comes inside the package moonshine-voice up to 0.1.0; later releases download it.
"""

import re
from functools import lru_cache

import numpy as np

from vqaudio.evaluation.metrics.alignment import SAMPLE_RATE
from vqaudio.evaluation.metrics.cache import once_per_wave
from vqaudio.evaluation.metrics.metric import Package

MOONSHINE = Package(
    "moonshine-voice", "moonshine_voice", "==0.1.0", "assets/tiny-en/encoder_model.ort"
)
SHORTEST = 0.5
"""Seconds. The recogniser makes up words in what is shorter."""
LONGEST = 15
"""Seconds that the recogniser hears at once: beyond, it slows down and repeats itself."""


def wer(reference: np.ndarray, decoded: np.ndarray) -> float:
    """Word error rate in percent, 0 best: words wrong, left out and put in, of 100 in the original.

    Against what the same recogniser makes of the original, so that its own mistakes there do not
    count; it may pass 100. The recogniser knows English only: in other languages it hears English
    nonsense, and the rate says little. Weigh clips by `num_words`. nan where it hears no words in
    the original, and under SHORTEST.
    """
    ends, words = _original(reference)
    if not words:
        return np.nan
    heard = _transcribe(decoded, ends) if decoded.any() else []
    return 100 * edit_distance(words, heard) / len(words)


def num_words(reference: np.ndarray) -> float:
    """Words that the recogniser hears in the original: the weight that makes a mean of `wer` the
    error rate over all words."""
    return float(len(_original(reference)[1]))


def transcribe(wave: np.ndarray) -> str:
    """What the recogniser hears in a wave, float [T] at 16 kHz, as it writes it; "" under SHORTEST."""
    if len(wave) < SHORTEST * SAMPLE_RATE or not wave.any():
        return ""
    return _text(wave, _cut(wave))


def normalise(text: str) -> list[str]:
    """The words of a text, lower case, without punctuation: "Don't - O'Neill" is dont, oneill."""
    return re.findall(r"\w+", re.sub(r"['’]", "", text.lower()))


def edit_distance(first: list[str], second: list[str]) -> int:
    """Levenshtein distance: the fewest words to replace, delete and insert."""
    row = list(range(len(second) + 1))
    for i, word in enumerate(first, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(second, 1):
            cost = min(diagonal + (word != other), row[j] + 1, row[j - 1] + 1)
            diagonal, row[j] = row[j], cost
    return row[-1]


@once_per_wave
def _original(reference: np.ndarray) -> tuple[list[int], list[str]]:
    """Ends of the pieces it is heard in, samples, and its words."""
    if len(reference) < SHORTEST * SAMPLE_RATE or not reference.any():
        return [], []
    ends = _cut(reference)
    return ends, _transcribe(reference, ends)


def _cut(wave: np.ndarray) -> list[int]:
    """Ends of pieces of at most LONGEST, at the quietest moments of their last thirds; the piece
    that is left is not under SHORTEST."""
    longest, moment = LONGEST * SAMPLE_RATE, SAMPLE_RATE // 10
    shortest = round(SHORTEST * SAMPLE_RATE)
    ends, start = [], 0
    while len(wave) - start > longest:
        first, last = start + longest * 2 // 3, min(start + longest, len(wave) - shortest)
        last -= (last - first) % moment
        power = np.square(wave[first:last], dtype=np.float64).reshape(-1, moment).sum(axis=1)
        start += longest * 2 // 3 + int(np.argmin(power)) * moment + moment // 2
        ends.append(start)
    return [*ends, len(wave)]


def _transcribe(wave: np.ndarray, ends: list[int]) -> list[str]:
    return normalise(_text(wave, ends))


def _text(wave: np.ndarray, ends: list[int]) -> str:
    pieces = np.split(wave.astype(np.float32), ends[:-1])
    return " ".join(line.text for piece in pieces for line in _recogniser()(piece))


@lru_cache(maxsize=1)
def _recogniser():
    """Function of a float32 wave -> lines with a `text`."""
    from moonshine_voice import ModelArch, Transcriber

    # No voice detection: it cuts speech into pieces too short to be understood.
    options = {"vad_threshold": "0", "return_audio_data": "false"}
    transcriber = Transcriber(str(MOONSHINE.path().parent), ModelArch.TINY, options=options)
    return lambda wave: transcriber.transcribe_without_streaming(wave, SAMPLE_RATE).lines
