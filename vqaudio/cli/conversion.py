"""python -m vqaudio.cli.conversion CORPUS -m MODEL ...: voices changed, words kept?

CORPUS is a prepared corpus of the speakers that the models know. Clips of --sources are coded and
decoded in other speakers' voices; then the speaker is guessed from codes alone.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from vqaudio.cli.common import complain, guarded
from vqaudio.cli.numbers import above_0, whole
from vqaudio.errors import VqaudioError
from vqaudio.files import atomic_write

if TYPE_CHECKING:
    from vqaudio.codec import Codec

PROG = "conversion"


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)

    def work() -> int:
        try:
            return _measure(options)
        except VqaudioError as error:
            complain(PROG, str(options.corpus), str(error))
            return 1

    return guarded(PROG, work)


def _measure(options: argparse.Namespace) -> int:
    from vqaudio.cli.models import load_named
    from vqaudio.data.manifest import Corpus
    from vqaudio.evaluation.conversion.table import conversion_table, probe_table

    if options.output and not options.output.resolve().parent.is_dir():
        raise VqaudioError(f"{options.output}: its folder does not exist")
    codecs = load_named(options.model, options.device)
    corpus = Corpus(options.corpus)
    report = {"models": {name: codec.fingerprint.hex() for name, codec in codecs.items()}}
    if options.tables != "probe":
        report["conversion"] = _convert(corpus, codecs, options)
        print(conversion_table(report["conversion"]))
    if options.tables != "conversion":
        report["probe"] = _probe(corpus, codecs, options)
        print(("" if options.tables else "\n") + probe_table(report["probe"]))
    if options.output:
        with atomic_write(options.output) as stream:
            stream.write((json.dumps(report, indent=2, allow_nan=False) + "\n").encode())
    return 0


def _convert(corpus, codecs: "dict[str, Codec]", options: argparse.Namespace) -> dict:
    from vqaudio.data.manifest import Corpus
    from vqaudio.evaluation.conversion.report import ConversionConfig, conversion_test

    folders = options.sources or [options.corpus.resolve().parent / "held-out"]
    if not any(codec.speakers for codec in codecs.values()):
        raise VqaudioError("no model is told who shall speak: -m one that is, or --tables probe")
    config = ConversionConfig(
        options.pairs,
        options.target_seconds,
        options.seconds,
        tuple(options.english),
        options.seed,
    )
    with tqdm(unit="pair", disable=not sys.stderr.isatty()) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return conversion_test(corpus, [Corpus(f) for f in folders], codecs, config, show)


def _probe(corpus, codecs: "dict[str, Codec]", options: argparse.Namespace) -> dict:
    from vqaudio.evaluation.conversion.probe import ProbeConfig, probe

    config = ProbeConfig(
        options.stretch,
        options.stretches,
        options.target_seconds,
        tuple(options.english),
        options.seed,
    )
    with tqdm(unit="row", disable=not sys.stderr.isatty()) as bar:

        def show(name: str) -> None:
            bar.set_postfix_str(name, refresh=False)
            bar.update()

        return probe(corpus, codecs, config, show)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=PROG, description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("corpus", type=Path, help="a prepared corpus of the speakers that the models know")
    add(
        "-m",
        "--model",
        action="append",
        required=True,
        help="name or folder of a codec; may be repeated: those without speakers only restore",
    )
    add(
        "--sources",
        type=Path,
        nargs="+",
        metavar="CORPUS",
        help="prepared corpora whose clips are converted (default: held-out beside CORPUS)",
    )
    add("--pairs", type=whole(1), default=6, metavar="N", help="of each source voice (default: 6)")
    add(
        "--target-seconds",
        type=above_0(1e6),
        default=60,
        metavar="S",
        help="that CORPUS has of a target, and of a speaker who is guessed (default: 60)",
    )
    add("--seconds", type=above_0(60), default=6, help="of a clip, at most (default: 6)")
    add(
        "--english",
        nargs="+",
        default=[],
        metavar="FOLDER",
        help="folders of clips whose words are judged, and of speakers who make a test of their own "
        "(default: the words of all)",
    )
    add(
        "--stretches",
        type=whole(6),
        default=60,
        metavar="N",
        help="of each speaker, to guess from, at most (default: 60)",
    )
    add("--stretch", type=above_0(60), default=3, metavar="S", help="how long (default: 3)")
    add("--tables", choices=("conversion", "probe"), help="only one of them (default: both)")
    add("-o", "--output", type=Path, metavar="REPORT", help="the figures as JSON")
    add("--seed", type=whole(0), default=0, help="of every choice (default: 0)")
    add("-d", "--device", choices=("auto", "cpu", "cuda"), default="auto")
    return parser


if __name__ == "__main__":
    sys.exit(main())
