"""What the command lines share: errors, signals, and, of vqaudio-encode and vqaudio-decode, the
arguments, names of outputs and reporting.

PyTorch is imported late, so that --help and wrong usage answer at once.
"""

import _thread
import argparse
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from vqaudio.errors import VqaudioError

if TYPE_CHECKING:
    from vqaudio.transcode import Progress, Transcoded

PIPE = "-"


class Job(NamedTuple):
    """One file to make of another; either may be "-"."""

    source: str
    target: str


class Tool(NamedTuple):
    """What a command line does: suffixes of the files it takes from folders (lower case), how it
    names an output after an input, and the work on one file."""

    suffixes: frozenset[str]
    rename: Callable[[str], str]
    work: Callable[[Job, "Progress | None"], "Transcoded"]


class Failure(NamedTuple):
    """An input that came to nothing, and why."""

    path: str
    reason: str


def parser(prog: str, description: str, model_help: str) -> argparse.ArgumentParser:
    """The arguments that both command lines take."""
    arguments = argparse.ArgumentParser(prog=prog, description=description)
    add = arguments.add_argument
    add("inputs", nargs="+", metavar="INPUT", help="a file, a folder, or - for standard input")
    add("-o", "--output", metavar="OUT", help="a file, a folder, or - for standard output")
    add("-m", "--model", metavar="MODEL", help=model_help)
    add("-d", "--device", choices=("auto", "cpu", "cuda"), default="auto")
    add("-f", "--force", action="store_true", help="overwrite files that exist")
    add("-q", "--quiet", action="store_true", help="say nothing but errors")
    return arguments


def check_output(arguments: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """End with a usage error (exit 2) where -o does not go with the inputs."""
    several = len(options.inputs) > 1 or os.path.isdir(options.inputs[0])
    if options.inputs == [PIPE] and options.output is None:
        options.output = PIPE
    if options.inputs.count(PIPE) > 1:
        arguments.error("standard input can be read only once")
    if PIPE in options.inputs and options.output is None:
        arguments.error("-o says where what comes from standard input goes, among other inputs")
    if options.output == PIPE and several:
        arguments.error("standard output takes only one input")
    if options.output == PIPE and sys.stdout.isatty():
        arguments.error("standard output is a terminal: use -o, or a pipe")
    is_file = (
        options.output and os.path.exists(options.output) and not os.path.isdir(options.output)
    )
    if several and is_file:
        arguments.error(f"{options.output} is not a folder, and there are several inputs")
    if options.output == "":
        arguments.error("-o is empty")


def into_folder(inputs: Sequence[str], output: str | None) -> bool:
    """Whether `output`, if given, is the folder that outputs go to, there or to be made."""
    return (
        len(inputs) > 1
        or (inputs[0] != PIPE and os.path.isdir(inputs[0]))
        or (output is not None and (os.path.isdir(output) or output.endswith(os.sep)))
    )


def plan(inputs: Sequence[str], output: str | None, tool: Tool) -> tuple[list[Job], list[Failure]]:
    """What is to be done, and which inputs cannot be. Folders are mirrored under `output`."""
    failures: list[Failure] = []
    jobs: dict[Job, None] = {}
    mirrored = into_folder(inputs, output)
    for path in inputs:
        root, sources = os.path.dirname(path), [path]
        if path != PIPE and os.path.isdir(path):
            root, sources = path, _files_in(path, tool.suffixes, failures)
            if not sources:
                failures.append(Failure(path, "nothing to work on in this folder"))
        for source in sources:
            target = output
            if output is None or mirrored:
                name = tool.rename("stdin" if source == PIPE else os.path.basename(source))
                target = os.path.join(_folder_for(source, root, output), name)
            jobs[Job(source, target)] = None
    makers = Counter(os.path.realpath(job.target) for job in jobs)
    clashing = [job for job in jobs if makers[os.path.realpath(job.target)] > 1]
    failures += [
        Failure(job.source, f"another input would become {job.target} too") for job in clashing
    ]
    return [job for job in jobs if job not in clashing], failures


def run(prog: str, options: argparse.Namespace, start: Callable[[], Tool]) -> int:
    """Do everything, report, and return the exit status. `start` imports what is slow."""

    def work() -> int:
        try:
            tool = start()
        except VqaudioError as error:
            complain(prog, options.model or "model", str(error))
            return 1
        return _run(prog, options, tool)

    return guarded(prog, work)


def guarded(prog: str, work: Callable[[], int]) -> int:
    """The exit status that `work` returns, or that of what cut it short, which is told in a line.

    130 for Ctrl-C; a terminated process (SIGTERM, SIGHUP) ends with SystemExit 143 or 129 once
    unfinished files are cleaned away; 1 when standard output takes no more.
    """
    try:
        with _exit_on_signals():
            status = work()
            if status:
                _flush_or_drop()
            else:
                _flush()
            return status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read our output has gone, and wants no words about it
        _flush_or_drop()
        return 1
    except OSError as error:
        _flush_or_drop()
        complain(prog, error.filename or "standard output", error.strerror or str(error))
        return 1


@contextmanager
def _exit_on_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP raise SystemExit, so that what cleans up after itself can."""
    # Not where they are ignored, as under nohup; and handlers are the main thread's alone.
    in_main = threading.current_thread() is threading.main_thread()
    numbers = [signal.SIGTERM, signal.SIGHUP] if in_main else []
    numbers = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    hook = sys.unraisablehook

    def stop(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_IGN)  # a second one would interrupt the cleaning
        sys.exit(128 + number)

    def send_again(lost: "sys.UnraisableHookArgs") -> None:
        """What is raised in a callback, such as the reading of a sound file, gets no further."""
        by_status = {128 + number: number for number in numbers}
        if lost.exc_type is KeyboardInterrupt:
            number = signal.SIGINT
        elif (
            lost.exc_type is SystemExit
            and (code := getattr(lost.exc_value, "code", None)) in by_status
        ):
            number = by_status[code]
            signal.signal(number, stop)
        else:
            hook(lost)
            return
        _coming_again.set()
        # Not threading.Thread, whose start() waits for it, and so might be hit by the signal.
        _thread.start_new_thread(_send_soon, (number,))

    try:
        _coming_again.clear()
        for number in numbers:
            signal.signal(number, stop)
        sys.unraisablehook = send_again
        yield
    finally:
        sys.unraisablehook = hook
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


_coming_again = threading.Event()
"""A signal that was lost in a callback is on its way once more."""


def _send_soon(number: int) -> None:
    time.sleep(0.01)
    os.kill(os.getpid(), number)


def _flush() -> None:
    print(end="", flush=True)  # where there is no standard output, sys.stdout is None


def _flush_or_drop() -> None:
    """Rid standard output of what it cannot take: else Python complains of it at its end."""
    try:
        _flush()
    except OSError:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(prog: str, options: argparse.Namespace, tool: Tool) -> int:
    jobs, failures = plan(options.inputs, options.output, tool)
    for failure in failures:
        complain(prog, *failure)
    failed, done, started = len(failures), [], time.perf_counter()
    for job in jobs:
        try:
            done.append(_do(job, options, tool))
        except BrokenPipeError:
            raise
        except VqaudioError as error:
            complain(prog, _shown(job.source), str(error))
            failed += 1
        except OSError as error:
            at = job.source if error.filename in (None, job.source) else job.target
            complain(prog, _shown(at), error.strerror or str(error))
            failed += 1
    if done and not options.quiet:
        _summary(prog, done, time.perf_counter() - started)
    return 1 if failed else 0


def complain(prog: str, path: str, message: str) -> None:
    """One line on standard error, whatever is in a file's name or in what a library says."""
    if _coming_again.is_set():
        time.sleep(1)  # to be cut short: what failed is the reading that the signal came into
    print(printable(f"{prog}: {path}: {message}"), file=sys.stderr)


def printable(text: str) -> str:
    """`text` on one line, with a question mark for each line end, escape or broken character."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _do(job: Job, options: argparse.Namespace, tool: Tool) -> "Transcoded":
    if job.target != PIPE and os.path.exists(job.target):
        if job.source != PIPE and os.path.samefile(job.source, job.target):
            raise VqaudioError("this would overwrite its own input")
        if os.path.isfile(job.target) and not options.force:
            raise FileExistsError(0, "exists already (-f overwrites)", job.target)
    if options.output not in (None, PIPE) and job.target != options.output:
        os.makedirs(os.path.dirname(job.target) or ".", exist_ok=True)
    with bar(Path(job.source).name, options) as progress:
        return tool.work(job, progress)


@contextmanager
def bar(title: str, options: argparse.Namespace) -> Iterator["Progress | None"]:
    """What moves a progress bar in seconds of audio; None where there is none: not on a terminal."""
    if options.quiet or not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    layout = "{desc}: {percentage:3.0f}% |{bar}| {n:.0f} of {total:.0f} s [{remaining}]"
    with tqdm(desc=title, total=1, leave=False, bar_format=layout) as shown:

        def progress(done: float, total: float) -> None:
            shown.total = total
            shown.update(done - shown.n)

        yield progress


def _summary(prog: str, done: Sequence["Transcoded"], elapsed: float) -> None:
    seconds = sum(one.seconds for one in done)
    num_bytes = sum(one.num_bytes for one in done)
    files = f"{len(done)} file{'s' if len(done) > 1 else ''}"
    print(
        f"{prog}: {files}, {seconds:.2f} s, {num_bytes} bytes, {8 * num_bytes / seconds:.0f} bit/s, "
        f"{seconds / elapsed:.1f} times real time",
        file=sys.stderr,
    )


def _files_in(folder: str, suffixes: frozenset[str], failures: list[Failure]) -> list[str]:
    """Files under `folder`, in order; hidden ones are left alone."""
    from vqaudio.audio import find

    def unreadable(error: OSError) -> None:
        failures.append(Failure(error.filename, error.strerror or str(error)))

    return [os.fspath(path) for path in find(folder, suffixes, unreadable)]


def _folder_for(source: str, root: str, output: str | None) -> str:
    """Where the output of `source` goes: beside it, or as deep in `output` as it is in `root`."""
    folder = os.path.dirname(source)
    if output is None:
        return folder
    inner = os.path.relpath(folder or ".", root or ".")
    return output if inner == "." else os.path.join(output, inner)


def _shown(path: str) -> str:
    return "standard input" if path == PIPE else path
