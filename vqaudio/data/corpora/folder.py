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
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import soundfile
import torch
from tqdm import tqdm

from vqaudio import audio
from vqaudio.data.manifest import Corpus, CorpusWriter
from vqaudio.errors import VqaudioError
from vqaudio.files import atomic_write
from vqaudio.level import LevelMeter

SAMPLE_RATE = 16000
SILENCE_DB = 40  # below the loudest frame; what librosa trims at either end
SHORTEST = 0.2  # seconds left after trimming
SOURCE = "source.json"
JUDGED = 200  # clips; more would only make evaluation slow


@dataclass(frozen=True)
class Prepared:
    """A file's speech, or why there is none in it."""

    path: Path
    wave: np.ndarray | None = None
    level: float = 0.0
    sha256: str = ""
    problem: str = ""


def prepare_file(path: Path) -> Prepared:
    """Decode, mix to mono, resample, trim silence at both ends, measure."""
    try:
        wave, rate = audio.read(path)
        resampler = audio.Resampler(rate, SAMPLE_RATE, channels=1)
        mono = audio.to_mono(wave)
        mono = torch.cat([resampler.push(mono), resampler.flush()], dim=-1)
        trimmed, _ = librosa.effects.trim(mono[0].numpy(), top_db=SILENCE_DB)
        if len(trimmed) < SHORTEST * SAMPLE_RATE:
            return Prepared(path, problem=f"under {SHORTEST} s of sound")
        if not np.any(trimmed):  # which librosa does not trim
            return Prepared(path, problem="silence")
        meter = LevelMeter(SAMPLE_RATE, channels=1)
        meter.update(torch.from_numpy(trimmed)[None])
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return Prepared(path, trimmed, meter.levels()[0], digest)
    except (VqaudioError, OSError) as error:
        return Prepared(path, problem=str(error))


def speaker_of(path: Path, root: Path) -> str:
    return path.relative_to(root).parent.as_posix()


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
    few. Both sides have the same speakers, as a model that is told who speaks wants it."""
    of_speaker: dict[str, list[Path]] = {}
    for file in files:
        of_speaker.setdefault(speaker_of(file, root), []).append(file)
    chosen: set[Path] = set()
    for own in of_speaker.values():
        own.sort(key=lambda file: hashlib.sha256(file.name.encode()).digest())
        chosen |= set(own[: int(share * len(own))])
    return chosen


def _prepare_all(files: list[Path], workers: int) -> Iterator[Prepared]:
    """`prepare_file` of each, in order."""
    if workers == 1:
        yield from map(prepare_file, files)
        return
    # spawn: a forked child of a process that has run torch can hang in its thread pool.
    with ProcessPoolExecutor(workers, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        yield from pool.map(prepare_file, files, chunksize=16)


def write_corpus(files: Iterable[Path], root: Path, out: Path, workers: int) -> list[Prepared]:
    """Prepare `files` into the corpus `out`; returns those that were left out."""
    files, rejected = list(files), []
    writer = CorpusWriter(out, SAMPLE_RATE)
    for item in tqdm(
        _prepare_all(files, workers),
        total=len(files),
        desc=out.name,
        disable=not sys.stderr.isatty(),
    ):
        if item.wave is None:
            rejected.append(item)
            continue
        name = item.path.relative_to(root)
        writer.add(
            item.wave,
            id=name.with_suffix("").as_posix(),
            path=name.as_posix(),
            speaker=speaker_of(item.path, root),
            level=item.level,
            sha256=item.sha256,
        )
    writer.close()
    seconds = sum(clip.num_samples for clip in writer.clips) / SAMPLE_RATE
    speakers = len({clip.speaker for clip in writer.clips})
    print(f"{out.name}: {len(writer.clips)} clips, {speakers} speakers, {seconds / 3600:.2f} h")
    return rejected


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
    if _prepared_from(out, source):
        print(f"{out} is prepared already")
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
    train = (f for f in files if f not in held_out)
    rejected = write_corpus(train, root, out / "train", workers)
    rejected += write_corpus(sorted(held_out), held_out_root, out / "held-out", workers)
    write_audio(Corpus(out / "held-out"), out / "held-out-audio")
    lines = [f"{item.path}\t{item.problem}\n" for item in rejected]
    with atomic_write(out / "rejected.tsv") as stream:
        stream.write("".join(lines).encode(errors="backslashreplace"))
    if rejected:
        print(f"{len(rejected)} files left out: see {out / 'rejected.tsv'}")
    with atomic_write(out / SOURCE) as stream:
        stream.write(json.dumps(source).encode())


def _prepared_from(out: Path, source: dict[str, Any]) -> bool:
    """Whether `out` is complete. Raises VqaudioError if it was made from something else."""
    if not (out / SOURCE).exists():
        return False
    before = json.loads((out / SOURCE).read_text())
    if before != source:
        raise VqaudioError(f"{out} was prepared from {before}, not from {source}: remove it first")
    return True


def write_audio(corpus: Corpus, out: Path) -> None:
    """Clips spread over a prepared corpus, as FLAC files."""
    count = min(len(corpus.clips), JUDGED)
    for i in range(count):
        clip = corpus.clips[i * len(corpus.clips) // count]
        path = out / f"{clip.id}.flac"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, corpus.samples(clip), clip.sample_rate)


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
    try:
        prepare(
            a.audio_dir,
            a.out_dir,
            a.held_out_dir,
            a.held_out,
            a.workers,
            a.held_out_clips,
            a.exclude,
        )
    except (VqaudioError, OSError) as error:
        print(f"folder: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
