"""vqaudio-evaluate: how good models, other codecs, and priors are on a folder of speech."""

import argparse
import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from vqaudio.cli import evaluate_prior
from vqaudio.cli.common import complain, guarded, printable
from vqaudio.cli.numbers import whole
from vqaudio.cli.reporting import PROG, Failed, bars, check_output, parent, write
from vqaudio.errors import VqaudioError

if TYPE_CHECKING:
    from vqaudio.evaluation.peers import Coder

DEFAULT_MODELS = ("speech64", "speech128")
PASSES = {"coding": ("1 of 2, coding", "clips"), "judging": ("2 of 2, judging", "clips")}


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0 all done, 1 some input failed; wrong usage exits with 2."""
    parser = _parser()
    options = parser.parse_intermixed_args(argv)
    if options.audio_dir is None and options.prior:
        options.audio_dir = options.prior.pop()  # it ends the list of priors
    if options.audio_dir is None:
        parser.error("the following arguments are required: AUDIO_DIR")
    evaluate_prior.check(parser, options)

    def work() -> int:
        try:
            if options.prior is not None:
                return evaluate_prior.evaluate(options)
            return _evaluate(parser, options)
        except Failed as failed:
            complain(PROG, failed.path, failed.reason)
            return 1

    return guarded(PROG, work)


def _evaluate(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    from vqaudio.evaluation.page import page
    from vqaudio.evaluation.table import table

    coders = _coders(parser, options)
    check_output(options.output)
    check_output(options.html)
    if options.save_audio and not parent(options.save_audio).is_dir():
        raise Failed(str(options.save_audio), "its folder does not exist")
    if options.save_audio and not _is_free(options.save_audio):
        raise Failed(str(options.save_audio), "exists already, and is not an empty folder")

    with TemporaryDirectory(prefix=".vqaudio-", dir=parent(options.save_audio)) as folder:
        recordings = Path(folder, "recordings")
        recordings.mkdir()
        report = _measure(coders, recordings, options)
        try:
            if options.save_audio:
                recordings = recordings.rename(options.save_audio)
            if options.output:
                write(options.output, json.dumps(report, indent=2, allow_nan=False) + "\n")
            if options.html:
                write(options.html, page(report, recordings))
        finally:  # after minutes of work, an output that fails does not cost what comes before
            on_terminal = sys.stdout is not None and sys.stdout.isatty()
            print(table(report, shutil.get_terminal_size().columns if on_terminal else None))
    return 1 if report["failed"] else 0


def _measure(coders: "Sequence[Coder]", recordings: Path, options: argparse.Namespace) -> dict:
    from vqaudio.evaluation.scorecard import scorecard

    try:
        with bars(options, PASSES) as on_progress:
            return scorecard(coders, options.audio_dir, recordings, options.jobs, on_progress)
    except VqaudioError as error:
        raise Failed(options.audio_dir, error) from error
    except OSError as error:
        raise Failed(str(error.filename or options.audio_dir), error) from error


def _coders(parser: argparse.ArgumentParser, options: argparse.Namespace) -> "list[Coder]":
    """The models, the peers and what adapters have, under names that differ."""
    from vqaudio import pretrained
    from vqaudio.codec import load_codec
    from vqaudio.evaluation.coding import ORIGINAL, CodecCoder
    from vqaudio.evaluation.peers import DEFAULT, PEERS, adapter

    names = DEFAULT if options.peers is None else options.peers.split(",")
    names = [name for name in dict.fromkeys(names) if name not in ("", "none")]
    if unknown := [name for name in names if name not in PEERS]:
        parser.error(f"unknown peer {unknown[0]}; there are {', '.join(PEERS)}")
    peers = [PEERS[name] for name in names]
    for path in options.adapter:
        try:
            peers += adapter.load(path)
        except (VqaudioError, OSError) as error:
            raise Failed(str(path), error) from error

    packaged = [name for name in DEFAULT_MODELS if name in pretrained.names()]
    codecs = {}
    for name in dict.fromkeys(options.model or packaged or DEFAULT_MODELS[:1]):
        if name != "none":
            try:
                codec = load_codec(name, options.device)
            except (VqaudioError, OSError) as error:
                raise Failed(name, error) from error
            # The same model once, whatever it is called.
            called = printable(str(codec.card.get("name") or Path(name).name))
            called = called.replace("/", "_").replace("\\", "_")  # it also names a folder
            codecs.setdefault(codec.fingerprint, (codec, called))
    taken = {".", "..", ORIGINAL, *PEERS, *(peer.name for peer in peers)}
    bearers = Counter([*(called for _, called in codecs.values()), *taken])
    coders = []
    for codec, called in codecs.values():
        digits = f" {codec.fingerprint.hex()[:8]}" if bearers[called] > 1 else ""
        coders.append(CodecCoder(codec, called + digits))
    if not coders + peers:
        parser.error("nothing to evaluate: no model and no peer")
    return coders + peers


def _is_free(folder: Path) -> bool:
    """Whether a folder can be moved there: a link, even to an empty folder, is in the way."""
    is_empty = folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir())
    return is_empty or not os.path.lexists(folder)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        PROG,
        usage="%(prog)s [-h] [option ...] AUDIO_DIR\n       %(prog)s --prior [PRIOR ...] [option ...] "
        "AUDIO_DIR",
        description="Measure bitrate, quality and speed of models and other codecs on a folder of "
        "speech. Codecs and measures that are not installed are skipped with a word.",
    )
    add = parser.add_argument
    add("audio_dir", nargs="?", metavar="AUDIO_DIR", help="folder, searched for audio files")
    add(
        "-m",
        "--model",
        action="append",
        metavar="MODEL",
        help="name or directory of a model; may be repeated; 'none' for peers alone "
        "(default: the released models)",
    )
    add(
        "-p",
        "--peers",
        metavar="NAMES",
        help="other codecs, separated by commas, or 'none' (default: the usual ones; a wrong name "
        "lists what there is)",
    )
    add(
        "-a",
        "--adapter",
        action="append",
        default=[],
        type=Path,
        metavar="FILE.py",
        help="a Python file with codecs (CommandPeer, FunctionPeer) to measure too; may be "
        "repeated; its code is run",
    )
    add("-o", "--output", type=Path, metavar="REPORT", help="write a JSON report")
    add("--html", type=Path, metavar="PAGE", help="write a web page, in one file, with all clips")
    add("--save-audio", type=Path, metavar="DIR", help="keep what was decoded, as WAV files")
    add("-d", "--device", choices=("auto", "cpu", "cuda"), default="auto")
    add(
        "-j",
        "--jobs",
        type=whole(1),
        default=_cores(),
        metavar="N",
        help="processes that judge clips (default: %(default)s); clips are always coded one at a "
        "time, for the sake of the speeds",
    )
    add("-q", "--quiet", action="store_true", help="no progress bar")
    evaluate_prior.add_arguments(parser)
    return parser


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


if __name__ == "__main__":
    sys.exit(main())
