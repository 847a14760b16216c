"""Measures that compare the signals themselves: no speech model, any language.

They ask whether the decoded clip is the same sound. Vocoders that keep the words and the voice but
not the waveform score low in all of them, in SI-SDR below 0 dB.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import librosa
import numpy as np

from vqaudio.evaluation.metrics.alignment import SAMPLE_RATE
from vqaudio.evaluation.metrics.metric import Package

PESQ = Package("pesq", "pesq")
STOI = Package("pystoi", "pystoi")
PESQ_LONGEST = 20
"""Seconds. The package overruns its memory past 50 utterances, which no 20 s can hold; P.862.3
asks for clips of 8 to 30 s anyhow."""
PESQ_WORST = 1.0
"""What a clip counts that a codec has silenced. P.862.2 maps the worst of P.862's scale, -0.5, to
1.04, and what is off the scale down to 0.999; loud clipped noise makes 1.03."""
SI_SDR_WORST = -100.0
"""dB; as low as `si_sdr` goes. A click instead of a clip comes near it."""

MEL_SCALES = ((256, 20), (512, 40), (1024, 80), (2048, 160))
"""Window in samples (hop a quarter) and number of bands of each scale of the mel distance.

Fixed here, whatever scales a model is trained on: what is measured must stay comparable.
"""


def pesq_wb(reference: np.ndarray, decoded: np.ndarray) -> float:
    """Wide-band PESQ, ITU-T P.862.2: about 1 (bad) to 4.64. nan for silence and under 0.25 s.

    Of clips longer than PESQ_LONGEST, the mean over equal pieces of at most that; silent pieces of
    the original are left out, those that only the codec silenced count PESQ_WORST.
    """
    pieces = max(1, -(-len(reference) // (PESQ_LONGEST * SAMPLE_RATE)))
    parts = np.array_split(reference, pieces)
    pairs = zip(parts, np.array_split(decoded, pieces), strict=True)
    scores = np.array([_pesq_of_piece(*pair) for pair in pairs])
    if np.isnan(scores).all():
        return np.nan
    for piece in np.flatnonzero(np.isnan(scores)):
        if not np.isnan(_pesq_of_piece(parts[piece], parts[piece])):
            scores[piece] = PESQ_WORST
    return float(scores[~np.isnan(scores)].mean())


def _pesq_of_piece(reference: np.ndarray, decoded: np.ndarray) -> float:
    if not reference.any() or not decoded.any():
        return np.nan
    import pesq as pesq_package

    try:
        return pesq_package.pesq(SAMPLE_RATE, reference, decoded, "wb")
    except (pesq_package.NoUtterancesError, pesq_package.BufferTooShortError):
        return np.nan


def estoi(reference: np.ndarray, decoded: np.ndarray) -> float:
    """Extended STOI, Jensen and Taal 2016: intelligibility, 0 to 1. nan under 0.4 s of speech."""
    if not reference.any():
        return np.nan
    import pystoi

    with warnings.catch_warnings(), _fixed_noise():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            return float(pystoi.stoi(reference, decoded, SAMPLE_RATE, extended=True))
        except (RuntimeWarning, ValueError):  # too little speech, or not one frame of it
            return np.nan


def si_sdr(reference: np.ndarray, decoded: np.ndarray) -> float:
    """Scale-invariant signal-to-distortion ratio, Le Roux et al. 2019, dB. -100 to 100; nan for
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

    nan where the original is silent and for clips shorter than half the longest window. A decoded
    clip that is silent cannot be made as loud, and is taken as it is: the distance to a click.
    """
    if len(reference) <= MEL_SCALES[-1][0] // 2 or not reference.any():
        return np.nan
    if decoded.any():
        decoded = decoded * (_rms(reference) / _rms(decoded))
    distances = [
        np.abs(_log_mel(reference, *scale) - _log_mel(decoded, *scale)).mean()
        for scale in MEL_SCALES
    ]
    return float(np.mean(distances))


@contextmanager
def _fixed_noise() -> Iterator[None]:
    """pystoi adds noise of 2e-16 out of NumPy's global generator: the last digit would change."""
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


def _rms(wave: np.ndarray) -> float:
    return float(np.sqrt(np.square(wave, dtype=np.float64).mean()))


def _log_mel(wave: np.ndarray, window: int, bands: int) -> np.ndarray:
    mel = librosa.feature.melspectrogram(
        y=wave, sr=SAMPLE_RATE, n_fft=window, hop_length=window // 4, n_mels=bands, power=1
    )
    return np.log10(np.maximum(mel, 1e-5))
