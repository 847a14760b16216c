"""python -m vqaudio.cli.phonemes CORPUS [-m MODEL ...]: which phones codes stand for.

CORPUS is a prepared corpus whose phones vqaudio.evaluation.phonemes.align has found.
"""

import argparse
import json
import sys
from pathlib import Path

from vqaudio.cli.common import complain, guarded
from vqaudio.errors import VqaudioError
from vqaudio.files import atomic_write

PROG = "phonemes"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog=PROG, description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("corpus", type=Path, help="a prepared corpus with its phones")
    add("-m", "--model", action="append", metavar="MODEL", help="names or folders of codecs")
    add("--trained-on", type=Path, metavar="CORPUS", help="tell how many clips are in it too")
    add("--codes", type=Path, metavar="DIR", help="where codes are kept (default: CORPUS/codes)")
    add("-o", "--output", type=Path, metavar="REPORT", help="the figures as JSON")
    add("--seed", type=int, default=0, help="of k-means and of random codes (default: 0)")
    add("-d", "--device", choices=("auto", "cpu", "cuda"), default="auto")
    options = parser.parse_args(arguments)
    if options.seed < 0:
        parser.error("--seed must not be negative")

    def work() -> int:
        try:
            return _score(options)
        except VqaudioError as error:
            complain(PROG, str(options.corpus), str(error))
            return 1

    return guarded(PROG, work)


def _score(options: argparse.Namespace) -> int:
    from vqaudio.cli.models import load_named
    from vqaudio.data.manifest import Corpus
    from vqaudio.evaluation.phonemes.align import PHONES
    from vqaudio.evaluation.phonemes.alignment import read_lines
    from vqaudio.evaluation.phonemes.report import phoneme_table, phoneme_test

    corpus = Corpus(options.corpus)
    path = options.corpus / PHONES
    if not path.exists():
        raise VqaudioError(f"no {PHONES}: python -m vqaudio.evaluation.phonemes.align makes it")
    alignments = {one.id: one for one in read_lines(path)}
    if missing := [clip.id for clip in corpus.clips if clip.id not in alignments]:
        raise VqaudioError(
            f"{PHONES} lacks {len(missing)} clips, {missing[0]} for one: align again"
        )
    codecs = load_named(options.model or ["speech64"], options.device)
    found = [alignments[clip.id] for clip in corpus.clips]
    codes = options.codes or options.corpus / "codes"
    trained_on = Corpus(options.trained_on) if options.trained_on else None
    report = phoneme_test(corpus, found, codecs, codes, options.seed, trained_on)
    print(phoneme_table(report))
    if options.output:
        with atomic_write(options.output) as stream:
            stream.write((json.dumps(report, indent=2) + "\n").encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
