"""Released models, one directory each: model.safetensors and card.json. Codecs, and their priors."""

import json
import os
from pathlib import Path

from vqaudio.errors import ModelError

HERE = Path(__file__).parent


def names() -> list[str]:
    """Names of the codecs that came with this package."""
    return [name for name, card in _cards().items() if "codec" not in card]


def prior_names() -> list[str]:
    """Names of the priors that came with this package."""
    return [name for name, card in _cards().items() if "codec" in card]


def find(name: str) -> Path:
    """Directory of the packaged codec `name`. Raises ModelError when there is none."""
    return _find(name, "model", names(), prior_names())


def find_prior(name: str) -> Path:
    """Directory of the packaged prior `name`. Raises ModelError when there is none."""
    return _find(name, "prior", prior_names(), names())


def folder_of(name_or_directory: str | os.PathLike) -> Path:
    """Directory of a packaged codec by name, or else the directory itself. Raises ModelError when it
    is neither."""
    if name_or_directory not in names() and Path(name_or_directory).is_dir():
        return Path(name_or_directory)
    return find(str(name_or_directory))


def prior_folder_of(name_or_directory: str | os.PathLike) -> Path:
    """The same for a prior."""
    if name_or_directory not in prior_names() and Path(name_or_directory).is_dir():
        return Path(name_or_directory)
    return find_prior(str(name_or_directory))


def name_of(fingerprint: bytes) -> str | None:
    """Name of the packaged codec or prior with this fingerprint (8 bytes), if there is one."""
    return _first("fingerprint", fingerprint)


def prior_of(codec: bytes) -> str | None:
    """Name of the packaged prior for the codec with this fingerprint (8 bytes), if there is one."""
    return _first("codec", codec)


def _cards() -> dict[str, dict]:
    return {
        path.parent.name: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(HERE.glob("*/card.json"))
    }


def _first(key: str, fingerprint: bytes) -> str | None:
    found = (name for name, card in _cards().items() if card.get(key) == fingerprint.hex())
    return next(found, None)


def _find(name: str, kind: str, wanted: list[str], others: list[str]) -> Path:
    if name in wanted:
        return HERE / name
    known = f"packaged {kind}s are {', '.join(wanted) or 'none'}"
    if name in others:
        other = "codec" if kind == "prior" else "prior"
        raise ModelError(f"{name} is a {other}: {known}")
    raise ModelError(f"no {kind} {name!r}: {known}")
