"""The phones of a prepared corpus, into CORPUS/phones.jsonl.

    python -m vqaudio.evaluation.phonemes.align CORPUS [--alignments PATH] [--recogniser]

Of a clip they are taken from --alignments, a folder of TextGrid files named after the clips or a CTM
file, where it has them; else its words in CORPUS/transcripts.tsv (clip, tab, text) are aligned with the
sound; else, with --recogniser, the words that Moonshine hears. Clips that come to nothing are listed
with the reason, and left out of what is scored. Clips that are in the file already are not done again.
"""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from tqdm import tqdm

from vqaudio.data.manifest import Clip, Corpus
from vqaudio.errors import AudioError, VqaudioError
from vqaudio.evaluation.phonemes.aligner import POCKETSPHINX, align
from vqaudio.evaluation.phonemes.alignment import (
    Alignment,
    Phone,
    read_ctm,
    read_lines,
    read_textgrid,
    write_lines,
)

PHONES, TRANSCRIPTS = "phones.jsonl", "transcripts.tsv"
GIVEN, TRANSCRIBED, HEARD = "given", "transcript", "recogniser"


def read_transcripts(path: Path) -> dict[str, str]:
    """Clip to text; none where there is no such file. Raises AudioError."""
    if not path.exists():
        return {}
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    if any(len(row) != 2 for row in rows):
        raise AudioError(f"{path}: a line is not a clip, a tab and a text")
    return dict(rows)


def read_given(path: Path) -> dict[str, tuple[Phone, ...]]:
    """Phones by clip: of a CTM file, or of every TextGrid of a folder by its name."""
    if path.is_dir():
        return {file.stem: read_textgrid(file) for file in sorted(path.rglob("*.TextGrid"))}
    return read_ctm(path)


def align_clip(
    corpus: Corpus,
    clip: Clip,
    given: Mapping[str, tuple[Phone, ...]],
    texts: Mapping[str, str],
    recogniser: bool,
) -> Alignment:
    phones = given.get(clip.id) or given.get(Path(clip.id).name)
    if phones:
        return Alignment(clip.id, phones, GIVEN)
    text, source = texts.get(clip.id), TRANSCRIBED
    wave = corpus.samples(clip)
    if text is None and recogniser:
        from vqaudio.evaluation.metrics.words import transcribe

        text, source = transcribe(wave), HEARD
    if text is None:
        return Alignment(clip.id, (), "", "no transcript")
    try:
        return Alignment(clip.id, align(wave, text), source)
    except AudioError as error:
        return Alignment(clip.id, (), source, str(error))


def align_corpus(
    directory: Path,
    given: Mapping[str, tuple[Phone, ...]],
    recogniser: bool = False,
    workers: int = 1,
) -> list[Alignment]:
    """Bring CORPUS/phones.jsonl up to date; returns the alignments of all clips of the corpus.

    A clip without a transcript is tried again with `recogniser`; one that did not fit is not.
    """
    corpus, path = Corpus(directory), directory / PHONES
    known = {one.id: one for one in (read_lines(path) if path.exists() else ())}
    known = {
        id: one
        for id, one in known.items()
        if not (one.source == "" and (recogniser or id in given))
    }
    part = path.with_suffix(".part")
    part.write_text(write_lines(known.values()), encoding="utf-8")
    part.replace(path)
    missing = [clip for clip in corpus.clips if clip.id not in known]
    texts = read_transcripts(directory / TRANSCRIPTS)
    with path.open("a", encoding="utf-8") as stream:
        found = _all(directory, missing, given, texts, recogniser, workers)
        bar = tqdm(found, total=len(missing), unit="clip", disable=not sys.stderr.isatty())
        for one in bar:
            stream.write(write_lines([one]))
            stream.flush()
            known[one.id] = one
    return [known[clip.id] for clip in corpus.clips]


_of_worker: dict = {}


def _all(directory, clips, given, texts, recogniser, workers) -> Iterator[Alignment]:
    start = (directory, given, texts, recogniser)
    if workers == 1 or len(clips) < 2:
        _start(*start)
        yield from map(_one, clips)
        return
    # spawn: a forked child of a process that has run torch can hang in its thread pool.
    with ProcessPoolExecutor(workers, get_context("spawn"), _start, start) as pool:
        yield from pool.map(_one, clips, chunksize=4)


def _start(directory, given, texts, recogniser) -> None:
    _of_worker["arguments"] = Corpus(directory), given, texts, recogniser


def _one(clip: Clip) -> Alignment:
    corpus, given, texts, recogniser = _of_worker["arguments"]
    return align_clip(corpus, clip, given, texts, recogniser)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpus", type=Path, help="a prepared corpus, with transcripts.tsv")
    parser.add_argument("--alignments", type=Path, help="a folder of TextGrid files, or a CTM file")
    parser.add_argument("--recogniser", action="store_true", help="where there is no transcript")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args(arguments)
    if not 1 <= options.workers <= (os.cpu_count() or 1):
        parser.error("--workers must be 1 to the number of cores")
    try:
        if not POCKETSPHINX.present():
            raise VqaudioError("pocketsphinx is not installed: pip install pocketsphinx")
        given = read_given(options.alignments) if options.alignments else {}
        found = align_corpus(options.corpus, given, options.recogniser, options.workers)
    except (VqaudioError, OSError) as error:
        print(f"align: {error}", file=sys.stderr)
        return 1
    print(counts(found))
    return 0 if any(one.phones for one in found) else 1


def counts(alignments: list[Alignment]) -> str:
    """How many clips have phones, and from where, in a line."""
    sources = Counter(one.source for one in alignments if one.phones)
    told = [f"{number} by {source}" for source, number in sorted(sources.items())]
    left = sum(not one.phones for one in alignments)
    return f"{len(alignments)} clips: {', '.join(told) or 'none'} aligned, {left} left out"


if __name__ == "__main__":
    sys.exit(main())
