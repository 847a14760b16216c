"""Level of the speech in a stream of samples."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

TARGET_LEVEL = -20.0
"""Level in dB re full scale that speech is brought to before it is coded."""
LOWEST_LEVEL = -60.0
"""Recordings below this level are raised only as if they had it: they hold noise."""


def gain_for(level: float) -> float:
    """The factor that brings a wave of `level` dB to the level that models work at."""
    return 10 ** ((TARGET_LEVEL - max(level, LOWEST_LEVEL)) / 20)


class LevelMeter:
    """Level of the speech in a stream, per channel, in dB re full scale (a square wave's is 0).

    The mean power of 20 ms blocks, of those above -70 dB and not 20 dB below the mean of these, so
    that pauses do not count. Any chunking gives the same level.
    """

    _FLOOR, _CEILING, _STEP = -70.0, 100.0, 0.1

    def __init__(self, sample_rate: int, channels: int) -> None:
        self._block = max(round(0.02 * sample_rate), 1)
        self._rest = torch.zeros(channels, 0)
        bins = round((self._CEILING - self._FLOOR) / self._STEP)
        self._counts = np.zeros((channels, bins), np.int64)
        self._decibels = self._FLOOR + self._STEP * (np.arange(bins) + 0.5)
        self._any_block = False

    def update(self, wave: Tensor) -> None:
        """Take in float32 [C, n], any n."""
        wave = torch.cat([self._rest, wave.detach().cpu().float()], dim=1)
        whole = wave.shape[1] // self._block * self._block
        # A bounded number of samples at a time, since they are squared in double precision.
        step = max((1 << 18) // self._block, 1) * self._block
        for start in range(0, whole, step):
            self._count(self._counts, wave[:, start : min(start + step, whole)], self._block)
            self._any_block = True
        self._rest = wave[:, whole:].clone()

    def levels(self) -> tuple[float, ...]:
        """Per channel, in steps of 0.5 within [-64, 63.5]; -64 when nothing is above -70 dB.

        A stream shorter than a block is measured as it is.
        """
        counts = self._counts
        if not self._any_block and self._rest.shape[1]:
            counts = counts.copy()
            self._count(counts, self._rest, self._rest.shape[1])
        return tuple(self._gated_mean(row) for row in counts)

    def _count(self, counts: np.ndarray, wave: Tensor, block: int) -> None:
        blocks = wave.double().reshape(len(wave), -1, block).numpy()
        decibels = 10 * np.log10(np.square(blocks).mean(axis=2) + 1e-30)
        bins = np.floor((decibels - self._FLOOR) / self._STEP).astype(np.int64)
        for row, row_bins in zip(counts, bins, strict=True):
            loud = row_bins[row_bins >= 0].clip(max=len(row) - 1)
            row += np.bincount(loud, minlength=len(row))

    def _gated_mean(self, counts: np.ndarray) -> float:
        level = self._FLOOR
        for gate in (-math.inf, -20.0):
            kept = np.where(self._decibels >= level + gate, counts, 0)
            if not kept.any():
                return -64.0
            level = 10 * math.log10((kept * 10 ** (self._decibels / 10)).sum() / kept.sum())
        return min(max(round(2 * level) / 2, -64.0), 63.5)
