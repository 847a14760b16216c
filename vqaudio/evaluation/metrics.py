"""How good decoded speech is: objective measures of one clip against its original.

Everything takes mono float arrays [T] at 16 kHz. A measure that is not defined for a clip, such as
PESQ of silence, is nan. `align` comes first: some codecs delay.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import librosa
import numpy as np
import pesq as pesq_package
import pystoi
import scipy.fft
import scipy.signal

SAMPLE_RATE = 16000
MAX_DELAY = 0.1
"""Seconds within which a delay is looked for, either way."""
MEL_SCALES = ((256, 20), (512, 40), (1024, 80), (2048, 160))
"""Window in samples (hop a quarter) and number of bands of each scale of the mel distance.

Fixed here, whatever scales a model is trained on: what is measured must stay comparable.
"""


def align(reference: np.ndarray, decoded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The parts of both that overlap once the delay is undone, equally long, [T'] each.

    The delay is that of the highest cross-correlation within MAX_DELAY. Codecs that do not keep the
    waveform (vocoders) have no clear peak; theirs is found on the loudness of short frames. Gain
    makes no difference. ValueError when nothing overlaps.
    """
    if min(len(reference), len(decoded)) == 0:
        raise ValueError("no samples to align")
    delay = _delay(reference, decoded)
    reference, decoded = reference[max(0, -delay) :], decoded[max(0, delay) :]
    length = min(len(reference), len(decoded))
    if length == 0:
        raise ValueError("the decoded clip is too short to align")
    return reference[:length], decoded[:length]


def pesq_wb(reference: np.ndarray, decoded: np.ndarray) -> float:
    """Wide-band PESQ, ITU-T P.862.2: about 1 (bad) to 4.64. nan for silence and under 0.25 s."""
    if not reference.any() or not decoded.any():
        return np.nan
    try:
        return float(pesq_package.pesq(SAMPLE_RATE, reference, decoded, "wb"))
    except (pesq_package.NoUtterancesError, pesq_package.BufferTooShortError):
        return np.nan


def estoi(reference: np.ndarray, decoded: np.ndarray) -> float:
    """Extended STOI, Jensen and Taal 2016: intelligibility, 0 to 1. nan under 0.4 s of speech."""
    if not reference.any():
        return np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            return float(pystoi.stoi(reference, decoded, SAMPLE_RATE, extended=True))
        except (RuntimeWarning, ValueError):  # too little speech, or not one frame of it
            return np.nan


def si_sdr(reference: np.ndarray, decoded: np.ndarray) -> float:
    """Scale-invariant signal-to-distortion ratio, Le Roux et al. 2019, dB. At most 100; nan for
    silence."""
    reference = reference.astype(np.float64) - reference.mean()
    decoded = decoded.astype(np.float64) - decoded.mean()
    if not reference.any() or not decoded.any():
        return np.nan
    target = reference * (decoded @ reference) / (reference @ reference)
    noise = decoded - target
    ratio = (target @ target) / max(noise @ noise, 1e-10 * (target @ target), 1e-300)
    return float(10 * np.log10(max(ratio, 1e-10)))


def mel_distance(reference: np.ndarray, decoded: np.ndarray) -> float:
    """Mean over MEL_SCALES of the L1 distance of log10 mel magnitudes, at equal loudness; 0 best.

    nan for silence and for clips shorter than half the longest window.
    """
    if len(reference) <= MEL_SCALES[-1][0] // 2 or not reference.any() or not decoded.any():
        return np.nan
    decoded = decoded * (_rms(reference) / _rms(decoded))
    distances = [
        np.abs(_log_mel(reference, *scale) - _log_mel(decoded, *scale)).mean()
        for scale in MEL_SCALES
    ]
    return float(np.mean(distances))


@dataclass(frozen=True)
class Metric:
    """A measure of a decoded clip: function(reference, decoded), aligned, -> number or nan.

    label: column of a table; digits: worth printing after the point.
    """

    function: Callable[[np.ndarray, np.ndarray], float]
    label: str
    higher_is_better: bool
    digits: int


METRICS = {
    "pesq_wb": Metric(pesq_wb, "PESQ-WB", True, 2),
    "estoi": Metric(estoi, "ESTOI", True, 3),
    "si_sdr": Metric(si_sdr, "SI-SDR dB", True, 1),
    "mel_distance": Metric(mel_distance, "mel distance", False, 3),
}
"""Every measure of the scorecard, by its name in the report."""


def _delay(reference: np.ndarray, decoded: np.ndarray) -> int:
    """Samples by which `decoded` is late."""
    limit = round(MAX_DELAY * SAMPLE_RATE)
    delay, likeness = _peak(reference, decoded, limit)
    if likeness >= 0.5 or min(len(reference), len(decoded)) < limit:
        return delay
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


def _rms(wave: np.ndarray) -> float:
    return float(np.sqrt(np.square(wave, dtype=np.float64).mean()))


def _log_mel(wave: np.ndarray, window: int, bands: int) -> np.ndarray:
    mel = librosa.feature.melspectrogram(
        y=wave, sr=SAMPLE_RATE, n_fft=window, hop_length=window // 4, n_mels=bands, power=1
    )
    return np.log10(np.maximum(mel, 1e-5))
