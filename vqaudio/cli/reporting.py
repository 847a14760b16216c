"""What the two modes of vqaudio-evaluate share: bars, faults told in a line, and reports."""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from vqaudio.cli.common import complain
from vqaudio.files import atomic_write

if TYPE_CHECKING:
    from vqaudio.evaluation.coding import Progress

PROG = "vqaudio-evaluate"


class Failed(Exception):
    """What cannot be used, and why; told in a line."""

    def __init__(self, path: str, reason: Exception | str):
        self.path = path
        self.reason = getattr(reason, "strerror", None) or str(reason)


def parent(path: Path | None) -> Path | None:
    return Path(os.path.abspath(path)).parent if path else None


def check_output(path: Path | None) -> None:
    """Raise Failed, before minutes of work, where a file cannot be written."""
    if path and path.is_dir():
        raise Failed(str(path), "is a folder")
    if path and not parent(path).is_dir():
        raise Failed(str(path), "its folder does not exist")


def write(path: Path, text: str) -> None:
    try:
        with atomic_write(path) as stream:
            stream.write(text.encode())
    except OSError as error:
        raise Failed(str(path), error) from error


@contextmanager
def bars(
    options: argparse.Namespace, passes: Mapping[str, tuple[str, str]]
) -> "Iterator[Callable[[Progress], None]]":
    """Shows a bar for each pass, on a terminal, and a line for each failure.

    passes: {stage: what it is called, and what it counts}.
    """
    layout = "{desc}: {percentage:3.0f}% |{bar}| {n_fmt} of {total_fmt} {unit}, {remaining} left"
    hidden = options.quiet or not sys.stderr.isatty()
    with ExitStack() as stack:
        shown: dict[str, tqdm] = {}

        def show(progress: "Progress") -> None:
            stage, total = progress.stage, progress.total
            if stage not in shown:
                stack.close()  # of the pass before
                title, unit = passes[stage]
                bar = tqdm(
                    desc=title,
                    unit=unit,
                    total=total,
                    disable=hidden,
                    file=sys.stderr,
                    bar_format=layout + "{postfix}",
                    smoothing=0,  # the time left is by the mean speed: codecs differ, and take turns
                )
                shown[stage] = stack.enter_context(bar)
            shown[stage].set_postfix_str(progress.codec or "", refresh=False)
            shown[stage].update(progress.done - shown[stage].n)
            for failure in progress.failures:
                path = os.path.join(options.audio_dir, failure.path)
                said = f"{failure.codec}: {failure.error}" if failure.codec else failure.error
                with tqdm.external_write_mode(sys.stderr):
                    complain(PROG, path, said)

        yield show
