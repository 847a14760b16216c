"""Undoing the delay of a codec, before anything is measured."""

from functools import lru_cache

import numpy as np
import scipy.fft
import scipy.signal

SAMPLE_RATE = 16000
MAX_DELAY = 0.1
"""Seconds within which a delay is looked for, either way."""


def align(reference: np.ndarray, decoded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The parts of both that overlap once the delay is undone, equally long, [T'] each.

    ValueError when nothing overlaps.
    """
    late = delay(reference, decoded)
    reference, decoded = reference[max(0, -late) :], decoded[max(0, late) :]
    length = min(len(reference), len(decoded))
    if length == 0:
        raise ValueError("the decoded clip is too short to align")
    return reference[:length], decoded[:length]


def delay(reference: np.ndarray, decoded: np.ndarray) -> int:
    """Samples by which `decoded` [T] is later than `reference` [T'], below 0 where it is early.

    That of the highest cross-correlation within MAX_DELAY. Codecs that do not keep the waveform
    (vocoders) have no clear peak; theirs is found, to a millisecond, on the loudness of short
    frames. Gain makes no difference. ValueError where either has no samples.
    """
    if min(len(reference), len(decoded)) == 0:
        raise ValueError("no samples to align")
    limit = round(MAX_DELAY * SAMPLE_RATE)
    lag, likeness = _peak(reference, decoded, limit)
    if likeness >= 0.5 or min(len(reference), len(decoded)) < limit:
        return lag
    # Log loudness in three bands, each a feature: the waveform may differ, its outline does not.
    hop = SAMPLE_RATE // 1000
    outlines = zip(_outlines(reference, hop), _outlines(decoded, hop), strict=True)
    correlation = sum(_correlate(r, d, limit // hop) for r, d in outlines)
    return (int(np.argmax(correlation)) - limit // hop) * hop


def _peak(reference: np.ndarray, decoded: np.ndarray, limit: int) -> tuple[int, float]:
    """Lag of the highest cross-correlation within +-limit, and its height: 1 for equal shapes."""
    norm = np.linalg.norm(reference) * np.linalg.norm(decoded)
    if norm == 0:
        return 0, 1.0
    correlation = _correlate(reference, decoded, limit)
    best = int(np.argmax(correlation))
    return best - limit, float(correlation[best] / norm)


def _correlate(reference: np.ndarray, decoded: np.ndarray, limit: int) -> np.ndarray:
    """[2 limit + 1]: sum over t of reference[t] decoded[t + lag], for lags -limit to limit."""
    size = scipy.fft.next_fast_len(max(len(reference), len(decoded)) + limit, real=True)
    product = np.fft.rfft(reference, size).conj() * np.fft.rfft(decoded, size)
    correlation = np.fft.irfft(product, size)
    return np.concatenate([correlation[-limit:], correlation[: limit + 1]])


def _outlines(wave: np.ndarray, hop: int) -> list[np.ndarray]:
    """Log power of three bands of speech every `hop` samples, mean removed: [T // hop] each."""
    outlines = []
    for band in ((100, 800), (800, 2000), (2000, 3600)):
        filtered = scipy.signal.sosfiltfilt(_bandpass(*band), wave, padlen=0)
        power = np.square(filtered[: len(wave) // hop * hop].reshape(-1, hop)).mean(axis=1)
        power = np.convolve(power, np.hanning(18)[1:-1] / 8.5, mode="same")
        outline = np.log10(power + 1e-4 * power.mean() + 1e-30)
        outlines.append(outline - outline.mean())
    return outlines


@lru_cache
def _bandpass(low: int, high: int) -> np.ndarray:
    return scipy.signal.butter(4, (low, high), "bandpass", fs=SAMPLE_RATE, output="sos")
