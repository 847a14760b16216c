"""Recipes at their smallest scale, whole or killed on the way."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE = 300
"""Seconds without a word, on a busy machine, until a run is given up."""


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

    def start(self, *arguments: str) -> subprocess.Popen:
        """The recipe's process, at the head of a group of its own."""
        environment = {
            **os.environ,
            "VQAUDIO_DATA": str(self.folder / "data"),
            "VQAUDIO_EXP": str(self.folder / "exp"),
            "OMP_NUM_THREADS": "1",
        }
        with (self.folder / "log.txt").open("ab") as log:
            return subprocess.Popen(
                [self.recipe.script, "--smoke", *arguments],
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def finish(self, *arguments: str) -> None:
        assert self.start(*arguments).wait() == 0, self.log()

    def log(self) -> str:
        return (self.folder / "log.txt").read_text()

    def kill_in(self, stage: int, *arguments: str) -> None:
        """Start the recipe, and kill it and all of its children once the sign of the stage appears."""
        process, before = self.start(*arguments), len(self.log())
        try:
            self._await(self.recipe.killed_at[stage], process)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        told = self.log()[before:]
        assert f"stage {stage}:" in told
        assert f"stage {stage + 1}:" not in told

    def _await(self, sign: str, process: subprocess.Popen) -> None:
        told, since = self.log(), time.monotonic()
        while not any(path.exists() for path in (self.data / sign, self.run / sign)):
            assert process.poll() is None, f"ended without {sign}:\n{self.log()}"
            assert time.monotonic() < since + PATIENCE, f"no {sign}:\n{self.log()}"
            time.sleep(0.02)
            if len(now := self.log()) > len(told):
                told, since = now, time.monotonic()

    def results(self) -> dict[str, bytes | str]:
        """Of a card the fingerprint of its model, of any other file its bytes."""
        return {
            name: json.loads(path.read_text())["fingerprint"]
            if path.name == "card.json"
            else path.read_bytes()
            for name in self.recipe.results
            for path in [self.run / name]
        }
