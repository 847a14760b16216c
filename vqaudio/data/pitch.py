"""Pitch as Praat hears it (Boersma 1993), and Praat's way to change it."""

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from vqaudio.errors import VqaudioError

if TYPE_CHECKING:
    import parselmouth

RANGE = (60.0, 500.0)
"""Hz within which a voice is looked for."""


class Listened(NamedTuple):
    """A sound and its pitch; both None if it is too short to have one."""

    sound: "parselmouth.Sound | None"
    pitch: "parselmouth.Pitch | None"

    @property
    def frequencies(self) -> np.ndarray:
        """In Hz, every 12.5 ms, 0 where there is no voice: float64 [frames]."""
        return np.zeros(0) if self.pitch is None else self.pitch.selected_array["frequency"]

    def changed(self, formants: float, pitch: float, seed: int) -> np.ndarray:
        """With formants higher by a factor, and the median pitch in Hz: float64, about as long."""
        import parselmouth
        from parselmouth.praat import call, run

        # Praat throws dice where there is no voice; a run that is resumed must hear the same again.
        run(f"random_initializeWithSeedUnsafelyButPredictably ({seed})")
        with (
            warnings.catch_warnings()
        ):  # where it finds no voice it says so, and changes the formants
            warnings.simplefilter("ignore", parselmouth.PraatWarning)
            changed = call([self.sound, self.pitch], "Change gender", formants, pitch, 1.0, 1.0)
        return changed.values[0]

    def at(self, times: np.ndarray) -> np.ndarray:
        """In Hz at the nearest of its frames, 0 where there is no voice. times: in seconds, [N]."""
        if self.pitch is None:
            return np.zeros(len(times))
        frames = np.rint((times - self.pitch.x1) / self.pitch.dx).astype(int)
        return self.frequencies[frames.clip(0, len(self.frequencies) - 1)]


def listen(wave: np.ndarray, sample_rate: int) -> Listened:
    """wave: float [T]. Raises VqaudioError where parselmouth is not installed."""
    try:
        import parselmouth
    except ImportError:
        raise VqaudioError("voices need Praat: pip install praat-parselmouth") from None
    if len(wave) <= 3 / RANGE[0] * sample_rate + 1:  # Praat's window
        return Listened(None, None)
    sound = parselmouth.Sound(wave.astype(np.float64), sample_rate)
    return Listened(sound, sound.to_pitch(None, *RANGE))


def frequencies(wave: np.ndarray, sample_rate: int) -> np.ndarray:
    """In Hz, every 12.5 ms, 0 where there is no voice. wave: float [T]; raises as `listen`."""
    return listen(wave, sample_rate).frequencies


def median_pitch(hertz: np.ndarray) -> float:
    """Of what is voiced; 0.0 where nothing is. hertz: [frames], 0 where there is no voice."""
    voiced = hertz[hertz > 0]
    return float(np.median(voiced)) if len(voiced) else 0.0
