"""Training checkpoints: written atomically, kept to the last few and the best, loaded without pickle."""

import re
from pathlib import Path
from typing import Any

import torch

from vqaudio.errors import ModelError, first_line

_NAME = re.compile(r"step-(\d{9})\.pt")


class Checkpoints:
    """The checkpoints of one run: `step-000012000.pt`, ..., and `best.pt`."""

    def __init__(self, directory: Path, keep: int = 3):
        self.directory, self.keep = directory, keep
        directory.mkdir(parents=True, exist_ok=True)

    def save(self, step: int, state: dict[str, Any], best: bool = False) -> Path:
        path = self.directory / f"step-{step:09d}.pt"
        # The best first: a run that is killed between the two goes on from the step before, and comes to
        # it again. The other way round it would know of a best that was never written.
        if best:
            _write(state, self.directory / "best.pt")
        _write(state, path)
        for old in self.list()[: -self.keep]:
            old.unlink(missing_ok=True)
        return path

    def check_none_after(self, step: int) -> None:
        """Raises ModelError if going on from `step` would mix with a run that came further."""
        latest = self.latest()
        if latest is not None and int(_NAME.fullmatch(latest.name)[1]) > step:
            raise ModelError(
                f"{self.directory} holds a run that came further ({latest.name}): "
                "go on with resume=auto, or choose another output="
            )

    def list(self) -> list[Path]:
        return sorted(p for p in self.directory.iterdir() if _NAME.fullmatch(p.name))

    def latest(self) -> Path | None:
        return (self.list() or [None])[-1]


def _write(state: dict[str, Any], path: Path) -> None:
    part = path.with_suffix(".part")
    try:
        torch.save(state, part)
        part.replace(path)
    except RuntimeError as error:  # how torch.save says that the disk is full
        raise OSError(f"cannot write {path}: {first_line(error)}") from error
    finally:
        part.unlink(missing_ok=True)


def load(path: Path) -> dict[str, Any]:
    """Raises ModelError if the file is missing or is not a checkpoint. Never runs code from it."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ModelError(f"{path} is not a checkpoint: {first_line(error)}") from error
