"""What a measure is, and what it needs to be installed."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Package:
    """A package of an optional measure.

    name: on PyPI; module: what is imported; version: " ==1.0" where others will not do;
    file: within the module's folder, where a release without it is of no use.
    """

    name: str
    module: str
    version: str = ""
    file: str = ""

    def present(self) -> bool:
        """Whether it is installed, with its file. Imports nothing."""
        return (folder := self._folder()) is not None and (folder / self.file).exists()

    def path(self) -> Path:
        """Where its file lies. FileNotFoundError when it is not installed."""
        if (folder := self._folder()) is None:
            raise FileNotFoundError(f"{self.name} is not installed")
        return folder / self.file

    def _folder(self) -> Path | None:
        spec = find_spec(self.module)
        return Path(spec.origin).parent if spec and spec.origin else None


@dataclass(frozen=True)
class Metric:
    """A measure of a decoded clip: function(reference, decoded), aligned, -> number or nan.

    function: takes two mono float arrays [T] at 16 kHz; nan where the measure is not defined;
    label: column of a table; digits: worth printing after the point;
    weight: function(reference) -> what the clip counts in a mean over clips; None is 1 for each;
    worst: what a clip gets where only what was decoded keeps the measure from being defined, so
    that no codec gains by destroying a clip; None where that cannot happen.
    """

    function: Callable[[np.ndarray, np.ndarray], float]
    label: str
    higher_is_better: bool
    digits: int
    needs: tuple[Package, ...] = ()
    weight: Callable[[np.ndarray], float] | None = None
    worst: float | None = None

    def score(self, reference: np.ndarray, decoded: np.ndarray) -> tuple[float, bool]:
        """What `function` says, and False; or `worst`, and True, where it says nan of this pair but
        not of the original beside itself."""
        score = float(self.function(reference, decoded))
        if self.worst is None or not np.isnan(score):
            return score, False
        is_spoilt = not np.isnan(self.function(reference, reference))
        return (self.worst, True) if is_spoilt else (score, False)

    def missing(self) -> str | None:
        """Which packages are not installed, in a few words, or None."""
        gone = [need.name + need.version for need in self.needs if not need.present()]
        if not gone:
            return None
        return f"{' and '.join(gone)} {'is' if len(gone) == 1 else 'are'} not installed"
