"""Another voice for the same words: pitch and formants of a crop, moved at random.

An encoder that hears only such crops, while the decoder is told whose voice to give back, has no use
for the speaker in its codes (Choi et al. 2021, *Neural Analysis and Synthesis*, section 3.1).
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from vqaudio.errors import VqaudioError

PITCH_RANGE = (60.0, 500.0)
"""Hz within which a voice is looked for."""


@dataclass(frozen=True)
class PerturbationConfig:
    """`share`: of the crops that are moved at all. Their median pitch becomes any in `lowest` to
    `highest` Hz, whatever it was; formants move by a factor of up to `formants`, up or down."""

    share: float = 0.9
    lowest: float = 70.0
    highest: float = 350.0
    formants: float = 1.3

    def __post_init__(self):
        if not 0 <= self.share <= 1:
            raise ValueError(f"perturbation.share must be in 0..1, not {self.share}")
        if not 0 < self.lowest <= self.highest or self.formants < 1:
            raise ValueError("perturbation: 0 < lowest <= highest and formants >= 1 are wanted")


class Perturbed(NamedTuple):
    """wave: float32 [T]; octaves: what its pitch is to be raised by to be the original's again."""

    wave: np.ndarray
    octaves: float


def perturb(
    wave: np.ndarray, sample_rate: int, config: PerturbationConfig, random: np.random.Generator
) -> Perturbed:
    """wave: float32 [T]. Takes three numbers from `random`, whatever comes of them.

    Praat does it, by overlap-add of pitch periods and by resampling. A crop without a voice stays as it
    is. Raises VqaudioError where parselmouth is not installed.
    """
    chance, height, formants = random.random(3)
    if chance >= config.share:
        return Perturbed(wave, 0.0)
    try:
        import parselmouth
        from parselmouth.praat import call
    except ImportError:
        raise VqaudioError(
            "perturbation needs Praat: pip install praat-parselmouth, or training.perturbation.share=0"
        ) from None
    ratio = config.formants ** (2 * formants - 1)
    sound = parselmouth.Sound(wave.astype(np.float64), sample_rate)
    try:
        pitch = sound.to_pitch(None, *PITCH_RANGE)
        before = median_pitch(pitch.selected_array["frequency"])
        if not before:
            return Perturbed(wave, 0.0)
        after = config.lowest * (config.highest / config.lowest) ** height
        moved = call([sound, pitch], "Change gender", ratio, after, 1.0, 1.0)
    except parselmouth.PraatError:  # too short to have a pitch
        return Perturbed(wave, 0.0)
    heard = np.zeros_like(wave)
    values = moved.values[0][: len(heard)]
    heard[: len(values)] = values
    return Perturbed(heard, math.log2(before / after))


def median_pitch(frequencies: np.ndarray) -> float:
    """Of what is voiced, in Hz; 0.0 where nothing is. frequencies: [frames], 0 for no voice."""
    voiced = frequencies[frequencies > 0]
    return float(np.median(voiced)) if len(voiced) else 0.0
