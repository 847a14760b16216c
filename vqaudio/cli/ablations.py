"""python -m vqaudio.cli.ablations train|measure|table EXP --rows ROW...: recipes/ablations.

EXP has a folder for every row. What is there already is not done again.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from vqaudio.cli.common import complain, guarded
from vqaudio.errors import VqaudioError, first_line
from vqaudio.files import atomic_write

PROG = "ablations"
FIGURES = "figures.json"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog=PROG, description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(required=True)
    for name, work, about in (
        ("train", _train, "a run for every row, one after the other"),
        ("measure", _measure, "the figures of every run that is there"),
        ("table", _table, "print the table of what is measured"),
    ):
        command = commands.add_parser(name, help=about)
        command.add_argument("exp", type=Path, help="folder of the runs")
        command.add_argument("--rows", nargs="+", required=True, help="files of configs/ablation")
        command.set_defaults(work=work)
        if name == "train":
            command.add_argument("--data", type=Path, required=True, help="train/ and held-out/")
            command.add_argument("--overrides", nargs="*", default=[], help="for Hydra, every row")
    options = parser.parse_args(arguments)

    def work() -> int:
        try:
            return options.work(options)
        except (VqaudioError, ValueError) as error:
            complain(PROG, str(options.exp), first_line(error))
            return 1

    return guarded(PROG, work)


def _train(options: argparse.Namespace) -> int:
    from hydra import initialize_config_dir

    from vqaudio.cli.train import run
    from vqaudio.config import config_directory

    with initialize_config_dir(str(config_directory().resolve()), version_base="1.3"):
        configs = {row: _config(row, options) for row in options.rows}
    for row, config in configs.items():
        if _trained(options.exp / row, config):
            print(f"{row}: trained already", flush=True)
            continue
        print(f"{row}: {config.row.changed}", flush=True)
        if status := run(config):
            return status
    return 0


def _trained(run: Path, config: Any) -> bool:
    """Raises VqaudioError where it was, but otherwise than `config` says."""
    from omegaconf import OmegaConf

    if _step(run) < config.training.loop.steps:
        return False
    before = OmegaConf.load(run / "config.yaml")
    if any(before[part] != config[part] for part in ("model", "training")):
        raise VqaudioError(
            f"{run.name} was trained otherwise: remove {run}, or choose another folder"
        )
    return True


def _config(row: str, options: argparse.Namespace) -> Any:
    from hydra import compose
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    # The inner quotes are for Hydra: a path may hold what its grammar takes for its own.
    given = [f"data.train='{options.data}/train'", f"data.held_out='{options.data}/held-out'"]
    given += [f"ablation={row}", f"output='{options.exp / row}'", *options.overrides]
    try:
        return compose("train_ablation", given)
    except (HydraException, OmegaConfBaseException) as error:
        raise VqaudioError(f"{row}: {error}") from error


def _measure(options: argparse.Namespace) -> int:
    import torch

    from vqaudio.evaluation.ablation import measure

    torch.set_num_threads(1)  # as it was trained: results are exact only for equal threads
    for row in options.rows:
        run = options.exp / row
        figures = _figures(run)
        if _step(run) and (figures is None or figures["step"] != _step(run)):
            print(f"{row}: measuring", flush=True)
            with atomic_write(run / FIGURES) as stream:
                stream.write((json.dumps(measure(run), indent=2) + "\n").encode())
    return 0


def _table(options: argparse.Namespace) -> int:
    from vqaudio.evaluation.ablation import table

    found = {row: figures for row in options.rows if (figures := _figures(options.exp / row))}
    print(table(options.rows, found))
    return 0


def _figures(run: Path) -> dict[str, Any] | None:
    path = run / FIGURES
    return json.loads(path.read_text()) if path.exists() else None


def _step(run: Path) -> int:
    """How far the newest checkpoint is, 0 without any."""
    from vqaudio.training.checkpoint import Checkpoints

    checkpoints = run / "checkpoints"
    latest = Checkpoints(checkpoints).latest() if checkpoints.is_dir() else None
    return 0 if latest is None else int(latest.stem.removeprefix("step-"))


if __name__ == "__main__":
    sys.exit(main())
