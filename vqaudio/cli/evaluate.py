"""vqaudio-evaluate: how good models, and other codecs, are on a folder of speech."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from vqaudio.cli.common import complain, guarded, printable
from vqaudio.errors import VqaudioError
from vqaudio.files import atomic_write

PROG = "vqaudio-evaluate"


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0 all done, 1 some input failed; wrong usage exits with 2."""
    parser = _parser()
    options = parser.parse_args(argv)
    return guarded(PROG, lambda: _evaluate(parser, options))


def _evaluate(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    try:
        from vqaudio import audio
        from vqaudio.codec import load_codec
        from vqaudio.evaluation.peers import PEERS
        from vqaudio.evaluation.scorecard import CodecCoder, scorecard
        from vqaudio.evaluation.table import table
    except ModuleNotFoundError as error:
        return _fail(str(error.name), "needed to evaluate: pip install 'vqaudio[eval]'")

    names = [name for name in options.peers.split(",") if name]
    if unknown := [name for name in names if name not in PEERS]:
        parser.error(f"unknown peer {unknown[0]}; there are {', '.join(PEERS)}")
    if options.output and not options.output.parent.is_dir():
        return _fail(str(options.output), "its folder does not exist")
    codecs = {}
    for name in dict.fromkeys(options.model or ["speech64"]):
        if name != "none":
            try:
                codec = load_codec(name, options.device)
            except (VqaudioError, OSError) as error:
                return _fail(name, error)
            # The same model once, whatever it is called.
            called = printable(str(codec.card.get("name") or Path(name).name))
            codecs.setdefault(codec.fingerprint, (codec, called))
    bearers = Counter([*(called for _, called in codecs.values()), *PEERS])
    coders = []
    for codec, called in codecs.values():
        digits = f" {codec.fingerprint.hex()[:8]}" if bearers[called] > 1 else ""
        coders.append(CodecCoder(codec, called + digits))
    coders += [PEERS[name] for name in dict.fromkeys(names)]
    if not coders:
        parser.error("nothing to evaluate: no model and no peer")

    try:
        present = [coder for coder in coders if not coder.missing()]
        total = len(present) * len(audio.find(options.audio_dir))
        hidden = options.quiet or not sys.stderr.isatty()
        with tqdm(total=total, unit="clip", disable=hidden, file=sys.stderr) as progress:

            def on_clip(coder: str, path: Path, error: str | None) -> None:
                progress.set_postfix_str(coder, refresh=False)
                progress.update()
                if error is not None:
                    with tqdm.external_write_mode(sys.stderr):
                        complain(PROG, str(path), f"{coder}: {error}")

            report = scorecard(coders, options.audio_dir, options.jobs, on_clip)
    except (VqaudioError, OSError) as error:
        return _fail(options.audio_dir, error)

    if options.output:
        try:
            with atomic_write(options.output) as stream:
                stream.write(json.dumps(report, indent=2, allow_nan=False).encode() + b"\n")
        except OSError as error:
            return _fail(str(options.output), error)
    print(table(report))
    return 1 if report["failed"] else 0


def _fail(path: str, reason: Exception | str) -> int:
    complain(PROG, path, getattr(reason, "strerror", None) or str(reason))
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        PROG,
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


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
