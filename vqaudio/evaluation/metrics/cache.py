"""What is computed of an original is kept: it serves every codec."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from functools import wraps
from typing import TypeVar

import numpy as np

Result = TypeVar("Result")
SIZE = 256
"""Results kept of each function; those least recently used go first."""


def once_per_wave(function: Callable[[np.ndarray], Result]) -> Callable[[np.ndarray], Result]:
    """Remember function(wave) by the samples of `wave`, [T]. Its results must not be written to."""
    kept: OrderedDict[bytes, Result] = OrderedDict()

    @wraps(function)
    def remembering(wave: np.ndarray) -> Result:
        samples = np.ascontiguousarray(wave)
        key = hashlib.sha256(samples.dtype.str.encode() + samples.tobytes()).digest()
        if key not in kept:
            kept[key] = function(wave)
            if len(kept) > SIZE:
                kept.popitem(last=False)
        kept.move_to_end(key)
        return kept[key]

    return remembering
