"""Recipes at their smallest scale, whole or killed on the way."""

import json
import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KILLER = Path(__file__).parent / "killer"
PATIENCE = 600
"""Seconds, on a busy machine, until a run is given up."""


@dataclass(frozen=True)
class Recipe:
    """`killed_at`: of each stage a file or folder that appears in the midst of it, below the data or the
    run; `results`: what a run leaves that has to be the same after it was killed, below the run."""

    name: str
    tag: str
    killed_at: Sequence[str]
    results: Sequence[str]

    @property
    def script(self) -> Path:
        return ROOT / "recipes" / self.name / "run.sh"


class Place:
    """Where a recipe works: `data` and `run`, in a folder that is empty at first."""

    def __init__(self, recipe: Recipe, folder: Path):
        self.recipe, self.folder = recipe, folder
        self.data, self.run = folder / "data/smoke", folder / "exp/smoke" / recipe.tag

    def finish(self, *arguments: str) -> None:
        assert self._run(arguments) == 0, self.log()

    def kill_in(self, stage: int, *arguments: str) -> None:
        """Run the recipe until it and all of its children are killed, once the stage gives its sign."""
        before, sign = len(self.log()), self.recipe.killed_at[stage]
        signs = os.pathsep.join([str(self.data / sign), str(self.run / sign)])
        path = os.pathsep.join(filter(None, [str(KILLER), os.environ.get("PYTHONPATH")]))
        status = self._run(arguments, PYTHONPATH=path, KILLED_AT=signs)
        assert status == -signal.SIGKILL, f"ended without {sign}:\n{self.log()}"
        told = self.log()[before:]
        assert f"stage {stage}:" in told
        assert f"stage {stage + 1}:" not in told

    def log(self) -> str:
        path = self.folder / "log.txt"
        return path.read_text() if path.exists() else ""

    def _run(self, arguments: Sequence[str], **variables: str) -> int:
        """The exit status of the recipe, which works at the head of a process group of its own."""
        environment = {
            **os.environ,
            "VQAUDIO_DATA": str(self.folder / "data"),
            "VQAUDIO_EXP": str(self.folder / "exp"),
            "OMP_NUM_THREADS": "1",
            **variables,
        }
        with (self.folder / "log.txt").open("ab") as log:
            process = subprocess.Popen(
                [self.recipe.script, "--smoke", *arguments],
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            return process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            pytest.fail(f"no end:\n{self.log()}")
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def results(self) -> dict[str, bytes | str]:
        """Of a card the fingerprint of its model, of any other file its bytes."""
        return {
            name: json.loads(path.read_text())["fingerprint"]
            if path.name == "card.json"
            else path.read_bytes()
            for name in self.recipe.results
            for path in [self.run / name]
        }
