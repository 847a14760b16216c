"""The codecs that a command line names."""

from collections.abc import Iterable
from pathlib import Path

from vqaudio.codec import Codec, load_codec
from vqaudio.errors import VqaudioError


def load_named(names: Iterable[str], device: str) -> dict[str, Codec]:
    """By short name: that of the folder, or of the run whose folder `model` it is. Raises VqaudioError,
    also where two are named alike."""
    codecs: dict[str, Codec] = {}
    for name in names:
        path = Path(name)
        short = path.resolve().parent.name if path.name == "model" else path.name
        if short in codecs:
            raise VqaudioError(f"two models are named {short}")
        codecs[short] = load_codec(name, device)
    return codecs
