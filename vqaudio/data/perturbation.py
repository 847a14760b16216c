"""Another voice for the same words: pitch, formants and timbre of a crop, changed at random.

An encoder that hears only such crops, while the decoder is told whose voice to give back, has no use
for the speaker in its codes (Choi et al. 2021, *Neural Analysis and Synthesis*, section 3.1).
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from vqaudio.data.pitch import listen, median_pitch

WAVES = 4
"""Cosines that timbre is changed by: half a period over the spectrum, to two."""


@dataclass(frozen=True)
class PerturbationConfig:
    """`share`: of the crops that are moved at all. Their median pitch becomes any in `lowest` to
    `highest` Hz, whatever it was; formants move by a factor of up to `formants`, up or down; each of
    WAVES cosines over the mel scale raises or lowers what it covers by up to `timbre` dB."""

    share: float = 0.9
    lowest: float = 70.0
    highest: float = 350.0
    formants: float = 1.4
    timbre: float = 6.0

    def __post_init__(self):
        if not 0 <= self.share <= 1:
            raise ValueError(f"perturbation.share must be in 0..1, not {self.share}")
        if not 0 < self.lowest <= self.highest or self.formants < 1:
            raise ValueError("perturbation: 0 < lowest <= highest and formants >= 1 are wanted")
        if self.timbre < 0:
            raise ValueError(f"perturbation.timbre must be at least 0, not {self.timbre}")


class Perturbed(NamedTuple):
    """wave: float32 [T]; octaves: what its pitch is to be raised by to be the original's again."""

    wave: np.ndarray
    octaves: float


def perturb(
    wave: np.ndarray, sample_rate: int, config: PerturbationConfig, random: np.random.Generator
) -> Perturbed:
    """wave: float32 [T]. Takes eight numbers from `random`, whatever comes of them.

    Praat moves pitch and formants, by overlap-add of pitch periods and by resampling; those of a crop
    without a voice stay. The power stays. Raises VqaudioError where parselmouth is not installed.
    """
    chance, height, formants, dice, *timbre = random.random(4 + WAVES)
    if chance >= config.share:
        return Perturbed(wave, 0.0)
    listened = listen(wave, sample_rate)
    before = median_pitch(listened.frequencies)
    amplitudes = config.timbre * (2 * np.array(timbre) - 1)
    if not before:
        return Perturbed(_coloured(wave, wave, amplitudes), 0.0)
    after = config.lowest * (config.highest / config.lowest) ** height
    ratio = config.formants ** (2 * formants - 1)
    heard = np.zeros_like(wave)
    values = listened.changed(ratio, after, seed=int(dice * 2**31))[: len(wave)]
    heard[: len(values)] = values
    return Perturbed(_coloured(heard, wave, amplitudes), math.log2(before / after))


def _coloured(wave: np.ndarray, original: np.ndarray, amplitudes: np.ndarray) -> np.ndarray:
    """With the spectrum raised by a sum of cosines over the mel scale, of `amplitudes` in dB, and the
    power of `original`."""
    spectrum = np.fft.rfft(wave)
    # O'Shaughnessy's mel up to 8 kHz; the end of the scale is the end of the spectrum.
    height = np.log1p(np.linspace(0, 8000 / 700, len(spectrum)))
    turns = np.arange(1, WAVES + 1)[:, None] * height / height[-1]
    spectrum *= 10 ** (amplitudes @ np.cos(np.pi * turns) / 20)
    coloured = np.fft.irfft(spectrum, len(wave))
    power = np.square(coloured).sum()
    if power:
        coloured *= np.sqrt(np.square(original.astype(np.float64)).sum() / power)
    return coloured.astype(np.float32)
