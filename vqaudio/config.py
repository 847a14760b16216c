"""Frozen dataclasses from plain dictionaries: Hydra's, or a model card's."""

from pathlib import Path
from typing import Any, TypeVar

import dacite

T = TypeVar("T")


def from_dict(cls: type[T], values: dict[str, Any]) -> T:
    """Build `cls`, nested dataclasses included.

    Raises ValueError, in one line that names the key, for an unknown key or a wrong type.
    """
    try:
        return dacite.from_dict(cls, values, dacite.Config(cast=[tuple], strict=True))
    except dacite.DaciteError as error:
        raise ValueError(f"{cls.__name__}: {error}") from error


def differences(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> list[str]:
    """One line a changed entry of two nested dictionaries: `optimizer.rate: 0.001 -> 0.0005`."""
    lines = []
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            lines += differences(before, after, f"{prefix}{key}.")
        elif before != after:
            lines.append(f"{prefix}{key}: {before} -> {after}")
    return lines


def config_directory() -> Path:
    """The Hydra configurations: inside the installed package, or at the top of a checkout."""
    package = Path(__file__).parent
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"
