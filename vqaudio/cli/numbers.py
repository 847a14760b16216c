"""Numbers on command lines: what argparse takes as `type`, and complains of in plain words."""

import argparse
import math
from collections.abc import Callable


def whole(lowest: int, highest: int | None = None) -> Callable[[str], int]:
    """Whole numbers from `lowest` to `highest`."""
    limits = f"of at least {lowest}" if highest is None else f"from {lowest} to {highest}"

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = None
        if number is None or number < lowest or (highest is not None and number > highest):
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number {limits}")
        return number

    return parse


def above_0(highest: float) -> Callable[[str], float]:
    """Numbers above 0, `highest` at most."""
    return _real(lambda number: 0 < number <= highest, f"above 0, {highest:g} at most")


def between(lowest: float, highest: float) -> Callable[[str], float]:
    """Numbers from `lowest` to `highest`."""
    return _real(lambda number: lowest <= number <= highest, f"from {lowest:g} to {highest:g}")


def _real(fits: Callable[[float], bool], limits: str) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not fits(number):  # not a number fits nothing
            raise argparse.ArgumentTypeError(f"{text!r} is not a number {limits}")
        return number

    return parse
