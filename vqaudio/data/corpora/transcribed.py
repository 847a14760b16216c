"""Clips of a tree of audio files whose words are known, or to be found, as one corpus to score on.

    python -m vqaudio.data.corpora.transcribed AUDIO_DIR OUT --transcripts FILE [--all]

FILE has a JSON object a line: `path` of a clip, from the folder that FILE is in, its `text`, and
perhaps its `speaker`, else the folder that it is in, and its `language`, of which all but en are left
out; or it is a transcripts.tsv: path without suffix, tab, text. OUT becomes a prepared corpus of those
clips below AUDIO_DIR that have a text, with --all of those without one too, and the texts are in
OUT/transcripts.tsv. Clips are whole, silences included.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import NamedTuple

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


class Told(NamedTuple):
    """What is told of a clip: text, "" for none; speaker, None where the folder says it."""

    text: str
    speaker: str | None = None


def read_list(path: Path) -> dict[str, Told]:
    """By path of the clip, absolute and without suffix. Raises AudioError."""
    found = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            clip, told = _json(line) if path.suffix == ".jsonl" else _tabbed(line)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise AudioError(f"{path}: line {number} does not say a clip and its text") from None
        if told is not None:
            found[os.path.abspath(path.parent / clip)] = told
    return found


def _json(line: str) -> tuple[str, Told | None]:
    values = json.loads(line)
    told = Told(values.get("text") or "", values.get("speaker"))
    return _stem(values["path"]), told if values.get("language", LANGUAGE) == LANGUAGE else None


def _tabbed(line: str) -> tuple[str, Told]:
    clip, text = line.split("\t")
    return clip, Told(text)


def _stem(path: str | Path) -> str:
    return os.path.splitext(path)[0]


def prepare(root: Path, out: Path, transcripts: Path, without_text: bool, workers: int) -> None:
    """Raises VqaudioError if there is nothing to score on."""
    source = {
        "audio_dir": str(root.resolve()),
        "transcripts": str(transcripts.resolve()),
        "all": without_text,
    }
    if is_prepared(out, source):
        return
    listed = read_list(transcripts)
    names = {path.relative_to(root): _stem(os.path.abspath(path)) for path in audio.find(root)}
    clips = {name: listed[key] for name, key in names.items() if key in listed}
    clips = {name: clip for name, clip in clips.items() if clip.text or without_text}
    if not clips:
        raise VqaudioError(f"{root}: {transcripts} tells of no clip there")

    def label(name: Path) -> tuple[str, str]:
        id, folder = by_folder(name)
        return id, clips[name].speaker or folder

    rejected = write_corpus([root / name for name in clips], root, out, workers, False, label)
    for one in rejected:
        print(f"{one.path}: left out, {one.problem}", file=sys.stderr)
    texts = {by_folder(name)[0]: clip.text for name, clip in clips.items() if clip.text}
    write_transcripts(out, texts)
    mark_prepared(out, source)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("audio_dir", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--transcripts", type=Path, metavar="FILE", required=True, help="JSON lines, or a .tsv"
    )
    parser.add_argument("--all", action="store_true", help="also clips without a text")
    parser.add_argument("--workers", type=int, default=2)
    a = parser.parse_args(arguments)
    return told("transcribed", lambda: prepare(a.audio_dir, a.out, a.transcripts, a.all, a.workers))


if __name__ == "__main__":
    sys.exit(main())
