"""Whether the melody of speech is kept: fundamental frequency and voicing, by Praat.

Praat's autocorrelation method (Boersma 1993), every 10 ms, 60 to 500 Hz. Any language. It is an
estimate on both sides: a low creaky voice, or two people at once, is misjudged in the original too.
"""

import numpy as np

from vqaudio.data.pitch import RANGE
from vqaudio.evaluation.metrics.alignment import SAMPLE_RATE
from vqaudio.evaluation.metrics.cache import once_per_wave
from vqaudio.evaluation.metrics.metric import Package

PRAAT = Package("praat-parselmouth", "parselmouth")
STEP = 0.01
"""Seconds from frame to frame."""
SHORTEST = 3 / RANGE[0]
"""Seconds: three periods of the lowest voice, Praat's window."""
F0_WORST = 1200.0
"""Cents that a clip counts whose voice is wholly lost: an octave. Speech backwards makes 800. The
ends of RANGE are 3671 apart; of that, one clip would outweigh twenty."""


def f0_rmse(reference: np.ndarray, decoded: np.ndarray) -> float:
    """Root mean square error of the log fundamental frequency, in cents (1200 an octave); 0 best.

    Over the frames that are voiced in both, nan when there are none: a codec that loses voicing is
    judged on its clearest frames, so read it with `voicing_error`. Octave errors, some of them
    Praat's, weigh heavily: one in a hundred frames alone makes 120.
    """
    before, after = _pitches(reference, decoded)
    both = (before > 0) & (after > 0)
    if not both.any():
        return np.nan
    cents = 1200 * np.log2(after[both] / before[both])
    return float(np.sqrt(np.square(cents).mean()))


def voicing_error(reference: np.ndarray, decoded: np.ndarray) -> float:
    """Percent of all frames that are voiced in one and not in the other; 0 best.

    Pauses are frames too, so that 100 is out of reach. nan when the original has no voiced frame.
    """
    before, after = _pitches(reference, decoded)
    if not before.any():
        return np.nan
    return float(100 * ((before > 0) != (after > 0)).mean())


def _pitches(reference: np.ndarray, decoded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return _pitch_of_original(reference), _pitch(decoded)


def _pitch(wave: np.ndarray) -> np.ndarray:
    """Hz, 0 where there is no voice, [frames]; how many frames depends on T alone."""
    if len(wave) <= SHORTEST * SAMPLE_RATE + 1:
        return np.zeros(0)
    import parselmouth

    sound = parselmouth.Sound(wave.astype(np.float64), SAMPLE_RATE)
    pitch = sound.to_pitch_ac(STEP, pitch_floor=RANGE[0], pitch_ceiling=RANGE[1])
    return pitch.selected_array["frequency"]


_pitch_of_original = once_per_wave(_pitch)
