"""vqaudio-evaluate: how good models, and other codecs, are on a folder of speech."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from vqaudio.errors import VqaudioError
from vqaudio.files import atomic_write

PROGRAM = "vqaudio-evaluate"


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0 all done, 1 some input failed; wrong usage exits with 2."""
    parser = _parser()
    options = parser.parse_args(argv)
    try:
        return _evaluate(parser, options)
    except KeyboardInterrupt:
        return 130


def _evaluate(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    try:
        from vqaudio.evaluation.peers import PEERS
        from vqaudio.evaluation.scorecard import find_clips, scorecard
        from vqaudio.evaluation.table import table
    except ModuleNotFoundError as error:
        return _fail(f"{error.name} is needed to evaluate: pip install 'vqaudio[eval]'")

    names = [name for name in options.peers.split(",") if name]
    if unknown := [name for name in names if name not in PEERS]:
        parser.error(f"unknown peer {unknown[0]}; there are {', '.join(PEERS)}")
    if options.output and not options.output.parent.is_dir():
        return _fail(f"{options.output}: its folder does not exist")
    try:
        coders = _load(options.model or ["speech64"], options.device)
    except (VqaudioError, OSError) as error:
        return _fail(str(error))
    coders += [PEERS[name] for name in dict.fromkeys(names)]
    if not coders:
        parser.error("nothing to evaluate: no model and no peer")

    try:
        present = [coder for coder in coders if not coder.missing()]
        total = len(present) * len(find_clips(options.audio_dir))
        hidden = options.quiet or not sys.stderr.isatty()
        with tqdm(total=total, unit="clip", disable=hidden, file=sys.stderr) as progress:

            def on_clip(coder: str, path: Path, error: str | None) -> None:
                progress.set_postfix_str(coder, refresh=False)
                progress.update()
                if error is not None:
                    tqdm.write(f"{PROGRAM}: {path}: {coder}: {error}", file=sys.stderr)

            report = scorecard(coders, options.audio_dir, options.jobs, on_clip)
    except (VqaudioError, OSError) as error:
        return _fail(f"{options.audio_dir}: {_reason(error)}")

    print(table(report))
    if options.output:
        try:
            with atomic_write(options.output) as stream:
                stream.write(json.dumps(report, indent=2, allow_nan=False).encode() + b"\n")
        except OSError as error:
            return _fail(f"{options.output}: {_reason(error)}")
    return 1 if report["failed"] else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        PROGRAM,
        description="Measure bitrate, quality and speed of models and other codecs on a folder of "
        "speech. Codecs that are not installed are skipped with a word.",
    )
    parser.add_argument("audio_dir", metavar="AUDIO_DIR", help="folder, searched for audio files")
    parser.add_argument(
        "-m",
        "--model",
        action="append",
        metavar="MODEL",
        help="name or directory of a model; may be repeated; 'none' for peers alone "
        "(default: speech64)",
    )
    parser.add_argument(
        "-p",
        "--peers",
        default="codec2-3200,codec2-2400,mulaw",
        metavar="NAMES",
        help="other codecs, separated by commas (default: %(default)s)",
    )
    parser.add_argument("-o", "--output", type=Path, metavar="REPORT", help="write a JSON report")
    parser.add_argument("-d", "--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument(
        "-j",
        "--jobs",
        type=_positive,
        default=1,
        metavar="N",
        help="clips at a time, each on one thread; speeds are then lower (default: 1)",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress bar")
    return parser


def _load(models: list[str], device: str) -> list:
    from vqaudio.codec import load_codec
    from vqaudio.evaluation.scorecard import CodecCoder

    coders = []
    for name in dict.fromkeys(models):
        if name != "none":
            try:
                coders.append(CodecCoder(load_codec(name, device), name))
            except VqaudioError as error:
                raise VqaudioError(f"{name}: {error}") from error
    return coders


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _fail(message: str) -> int:
    print(f"{PROGRAM}: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
