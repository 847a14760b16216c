"""Codecs from a user's own Python file."""

import importlib.util
import sys
from pathlib import Path

from vqaudio.errors import VqaudioError
from vqaudio.evaluation.peers.coder import Coder


def load(path: Path) -> list[Coder]:
    """The codecs that a Python file has at its top level, in their order, once the file has run.

    A codec is a CommandPeer, a FunctionPeer, or any object with all that Coder asks for.
    Raises VqaudioError where the file fails or has none, OSError where it cannot be read.
    """
    path.open("rb").close()
    spec = importlib.util.spec_from_file_location(f"vqaudio_adapter_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise VqaudioError("not a Python file: its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # whatever a user's file may raise
        raise VqaudioError(f"{type(error).__name__}: {error}") from error
    found = [value for value in vars(module).values() if _is_coder(value)]
    if not found:
        raise VqaudioError("no codec in it: a CommandPeer or FunctionPeer at its top level")
    return list({id(coder): coder for coder in found}.values())


def _is_coder(value: object) -> bool:
    wanted = ("name", "nominal", "counted", "missing", "version", "code")
    return not isinstance(value, type) and all(hasattr(value, name) for name in wanted)
