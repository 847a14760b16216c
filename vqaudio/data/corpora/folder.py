"""Any tree of audio files as a corpus; the speaker is the parent folder.

    python -m vqaudio.data.corpora.folder AUDIO_DIR OUT_DIR
        [--held-out-dir DIR | --held-out SHARE | --held-out-clips SHARE] [--exclude FOLDER ...]

Writes OUT_DIR/train and OUT_DIR/held-out, two prepared corpora (`vqaudio.data.manifest`),
OUT_DIR/held-out-audio, up to 200 of the held-out clips as FLAC, to be listened to and judged,
OUT_DIR/rejected.tsv, which lists the files that were left out and why, and last OUT_DIR/source.json,
which says what it was made from: a folder that is prepared already is left as it is.
"""

import argparse
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vqaudio import audio
from vqaudio.data.corpora.preparing import by_folder, is_prepared, mark_prepared, told, write_sides
from vqaudio.errors import VqaudioError


def speaker_of(path: Path, root: Path) -> str:
    return by_folder(path.relative_to(root))[1]


def held_out_files(files: list[Path], root: Path, share: float) -> set[Path]:
    """A share of the speakers, at least one, whole; of the files where there is only one speaker.

    They are chosen by a hash of the name, so that new files of a speaker do not change sides.
    """
    group = {f: speaker_of(f, root) for f in files}
    if len(set(group.values())) < 2:
        group = {f: f.name for f in files}
    names = sorted(set(group.values()), key=lambda name: hashlib.sha256(name.encode()).digest())
    chosen = set(names[: max(1, round(share * len(names)))])
    return {f for f in files if group[f] in chosen}


def held_out_clips(files: list[Path], root: Path, share: float) -> set[Path]:
    """A share of every speaker's files, chosen by a hash of their names: nothing of who says only a
    few. Both sides have the same speakers, as a model that is told who speaks wants it.

    Raises VqaudioError for a share that is none.
    """
    if not 0 <= share < 1:
        raise VqaudioError(f"the share of clips to hold out must be in 0..1, not {share}")
    of_speaker: dict[str, list[Path]] = {}
    for file in files:
        of_speaker.setdefault(speaker_of(file, root), []).append(file)
    chosen: set[Path] = set()
    for own in of_speaker.values():
        own.sort(key=lambda file: hashlib.sha256(file.name.encode()).digest())
        chosen |= set(own[: int(share * len(own))])
    return chosen


def prepare(
    root: Path,
    out: Path,
    held_out_dir: Path | None,
    held_out_share: float,
    workers: int,
    clips_share: float | None = None,
    exclude: Sequence[str] = (),
) -> None:
    """The whole of stage 0. Raises VqaudioError if there is nothing to train on.

    held_out_share: of the speakers; clips_share: of every speaker's clips instead; exclude: folders
    in `root` that are left out.
    """
    source: dict[str, Any] = {"audio_dir": str(root.resolve()), "held_out": held_out_share}
    if held_out_dir is not None:
        source["held_out"] = str(held_out_dir.resolve())
    if clips_share is not None:
        source |= {"held_out": None, "held_out_clips": clips_share}
    if exclude:
        source["exclude"] = sorted(exclude)
    if is_prepared(out, source):
        return
    left_out = [root / name for name in exclude]
    if missing := [path for path in left_out if not path.is_dir()]:
        raise VqaudioError(f"{missing[0]}: no such folder to exclude")
    files = [f for f in audio.find(root) if not any(f.is_relative_to(path) for path in left_out)]
    if clips_share is not None:
        held_out, held_out_root = held_out_clips(files, root, clips_share), root
    elif held_out_dir is None:
        held_out, held_out_root = held_out_files(files, root, held_out_share), root
    else:
        held_out, held_out_root = set(audio.find(held_out_dir)), held_out_dir
    if not set(files) - held_out or not held_out:
        raise VqaudioError(f"{root}: {len(files)} audio files cannot be split in two")
    train = [f for f in files if f not in held_out]
    write_sides(root, train, held_out_root, sorted(held_out), out, workers)
    mark_prepared(out, source)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("audio_dir", type=Path)
    parser.add_argument("out_dir", type=Path)
    sides = parser.add_mutually_exclusive_group()
    sides.add_argument("--held-out-dir", type=Path, help="evaluate on this folder instead")
    sides.add_argument(
        "--held-out", type=float, default=0.03, help="share of speakers (default .03)"
    )
    sides.add_argument(
        "--held-out-clips", type=float, metavar="SHARE", help="of every speaker's clips instead"
    )
    parser.add_argument("--exclude", nargs="+", default=[], metavar="FOLDER", help="in AUDIO_DIR")
    parser.add_argument("--workers", type=int, default=2)
    a = parser.parse_args(arguments)
    return told(
        "folder",
        lambda: prepare(
            a.audio_dir,
            a.out_dir,
            a.held_out_dir,
            a.held_out,
            a.workers,
            a.held_out_clips,
            a.exclude,
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
