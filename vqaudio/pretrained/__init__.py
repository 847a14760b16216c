"""Released models, one directory each: model.safetensors and card.json."""

import json
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


def name_of(fingerprint: bytes) -> str | None:
    """Name of the packaged model with this fingerprint (8 bytes), if there is one."""
    for name in names():
        card = json.loads((HERE / name / "card.json").read_text(encoding="utf-8"))
        if card.get("fingerprint") == fingerprint.hex():
            return name
    return None
