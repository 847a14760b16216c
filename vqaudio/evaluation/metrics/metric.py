"""What a measure is."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np


@dataclass(frozen=True)
class Metric:
    """A measure of a decoded clip: function(reference, decoded), aligned, -> number or nan.

    function: takes two mono float arrays [T] at 16 kHz; nan where the measure is not defined;
    label: column of a table; digits: worth printing after the point;
    needs: pairs of a package to be imported and its name on PyPI;
    weight: function(reference) -> what the clip counts in a mean over clips; None is 1 for each.
    """

    function: Callable[[np.ndarray, np.ndarray], float]
    label: str
    higher_is_better: bool
    digits: int
    needs: tuple[tuple[str, str], ...] = ()
    weight: Callable[[np.ndarray], float] | None = None

    def missing(self) -> str | None:
        """Which package is not installed, in a few words, or None."""
        for module, package in self.needs:
            if find_spec(module) is None:
                return f"{package} is not installed"
        return None
