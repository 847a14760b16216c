"""Another voice for the same words: pitch and formants of a crop, moved at random.

An encoder that hears only such crops, while the decoder is told whose voice to give back, has no use
for the speaker in its codes (Choi et al. 2021, *Neural Analysis and Synthesis*, section 3.1).
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from vqaudio.data.pitch import listen, median_pitch


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
    """wave: float32 [T]. Takes four numbers from `random`, whatever comes of them.

    Praat does it, by overlap-add of pitch periods and by resampling. A crop without a voice stays
    as it is. Raises VqaudioError where parselmouth is not installed.
    """
    chance, height, formants, dice = random.random(4)
    if chance >= config.share:
        return Perturbed(wave, 0.0)
    listened = listen(wave, sample_rate)
    before = median_pitch(listened.frequencies)
    if not before:
        return Perturbed(wave, 0.0)
    after = config.lowest * (config.highest / config.lowest) ** height
    ratio = config.formants ** (2 * formants - 1)
    heard = np.zeros_like(wave)
    values = listened.changed(ratio, after, seed=int(dice * 2**31))[: len(wave)]
    heard[: len(values)] = values
    return Perturbed(heard, math.log2(before / after))
