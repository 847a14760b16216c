"""Clips of a tree of audio files whose words are known, or to be found, as one corpus to score on.

    python -m vqaudio.data.corpora.transcribed AUDIO_DIR OUT [--transcripts FILE]

FILE has a JSON object a line: `path` of a clip, from the folder that FILE is in, its `text`, and
perhaps its `language`, of which all but en are left out; or it is a transcripts.tsv: path without
suffix, tab, text. OUT becomes a prepared corpus of those clips below AUDIO_DIR that have a text, with
the texts in OUT/transcripts.tsv; without FILE, of all. Clips are whole, silences included; the speaker
is the folder.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from vqaudio import audio
from vqaudio.data.corpora.preparing import (
    by_folder,
    is_prepared,
    mark_prepared,
    told,
    write_corpus,
    write_transcripts,
)
from vqaudio.errors import AudioError, VqaudioError

LANGUAGE = "en"


def read_texts(path: Path) -> dict[str, str]:
    """Text by path of the clip, absolute and without suffix. Raises AudioError."""
    texts = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            clip, text = _row(line) if path.suffix == ".jsonl" else line.split("\t")
        except (AttributeError, KeyError, ValueError):
            raise AudioError(f"{path}: line {number} does not say a clip and its text") from None
        if text:
            texts[os.path.abspath(path.parent / clip)] = text
    return texts


def _row(line: str) -> tuple[str, str]:
    values = json.loads(line)
    wanted = values.get("language", LANGUAGE) == LANGUAGE
    return _stem(values["path"]), (values.get("text") or "") if wanted else ""


def _stem(path: str | Path) -> str:
    return os.path.splitext(path)[0]


def prepare(root: Path, out: Path, transcripts: Path | None, workers: int) -> None:
    """Raises VqaudioError if there is nothing to score on."""
    source = {"audio_dir": str(root.resolve()), "transcripts": None}
    if transcripts is not None:
        source["transcripts"] = str(transcripts.resolve())
    if is_prepared(out, source):
        return
    files = audio.find(root)
    texts = read_texts(transcripts) if transcripts else {}
    if transcripts:
        files = [path for path in files if _stem(os.path.abspath(path)) in texts]
    if not files:
        raise VqaudioError(f"{root}: no clip has a text" if transcripts else f"{root}: no clips")
    rejected = write_corpus(files, root, out, workers, trim=False)
    for one in rejected:
        print(f"{one.path}: left out, {one.problem}", file=sys.stderr)
    if transcripts:
        of_clip = {by_folder(path.relative_to(root))[0]: os.path.abspath(path) for path in files}
        write_transcripts(out, {clip: texts[_stem(path)] for clip, path in of_clip.items()})
    mark_prepared(out, source)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("audio_dir", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--transcripts", type=Path, metavar="FILE", help="JSON lines, or a .tsv")
    parser.add_argument("--workers", type=int, default=2)
    a = parser.parse_args(arguments)
    return told("transcribed", lambda: prepare(a.audio_dir, a.out, a.transcripts, a.workers))


if __name__ == "__main__":
    sys.exit(main())
