"""Released models, one directory each: model.safetensors and card.json."""

import json
import os
from pathlib import Path

from vqaudio.errors import ModelError

HERE = Path(__file__).parent


def names() -> list[str]:
    """Names of the models that came with this package."""
    return sorted(card.parent.name for card in HERE.glob("*/card.json"))


def find(name: str) -> Path:
    """Directory of the packaged model `name`. Raises ModelError when there is none."""
    if name not in names():
        known = ", ".join(names()) or "none"
        raise ModelError(f"no model {name!r}: packaged models are {known}")
    return HERE / name


def folder_of(name_or_directory: str | os.PathLike) -> Path:
    """Directory of a packaged model by name, or else the directory itself. Raises ModelError when it
    is neither."""
    if name_or_directory not in names() and Path(name_or_directory).is_dir():
        return Path(name_or_directory)
    return find(str(name_or_directory))


def name_of(fingerprint: bytes) -> str | None:
    """Name of the packaged model with this fingerprint (8 bytes), if there is one."""
    for name in names():
        card = json.loads((HERE / name / "card.json").read_text(encoding="utf-8"))
        if card.get("fingerprint") == fingerprint.hex():
            return name
    return None
