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


def config_directory() -> Path:
    """The Hydra configurations: inside the installed package, or at the top of a checkout."""
    package = Path(__file__).parent
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"
