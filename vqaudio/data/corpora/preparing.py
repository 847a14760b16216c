"""What preparing a corpus takes, whichever it is: files decoded, measured and written as one corpus."""

import argparse
import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
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


def prepare_file(path: Path, trim: bool = True) -> Prepared:
    """Decode, mix to mono, resample, trim silence at both ends unless told otherwise, measure."""
    try:
        wave, rate = audio.read(path)
        resampler = audio.Resampler(rate, SAMPLE_RATE, channels=1)
        mono = audio.to_mono(wave)
        mono = torch.cat([resampler.push(mono), resampler.flush()], dim=-1)[0].numpy()
        if trim:
            mono, _ = librosa.effects.trim(mono, top_db=SILENCE_DB)
        if len(mono) < SHORTEST * SAMPLE_RATE:
            return Prepared(path, problem=f"under {SHORTEST} s of sound")
        if not np.any(mono):  # which librosa does not trim
            return Prepared(path, problem="silence")
        meter = LevelMeter(SAMPLE_RATE, channels=1)
        meter.update(torch.from_numpy(mono)[None])
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return Prepared(path, mono, meter.levels()[0], digest)
    except (VqaudioError, OSError) as error:
        return Prepared(path, problem=str(error))


def _prepare_all(files: list[Path], trim: bool, workers: int) -> Iterator[Prepared]:
    """`prepare_file` of each, in order."""
    work = partial(prepare_file, trim=trim)
    if workers == 1:
        yield from map(work, files)
        return
    # spawn: a forked child of a process that has run torch can hang in its thread pool.
    with ProcessPoolExecutor(workers, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        yield from pool.map(work, files, chunksize=16)


def by_folder(name: Path) -> tuple[str, str]:
    """Id and speaker of a file by its path below the root: the speaker is the folder it is in."""
    return name.with_suffix("").as_posix(), name.parent.as_posix()


def write_corpus(
    files: Iterable[Path],
    root: Path,
    out: Path,
    workers: int,
    trim: bool = True,
    label: Callable[[Path], tuple[str, str]] = by_folder,
) -> list[Prepared]:
    """Prepare `files`, all below `root`, into the corpus `out`; returns those that were left out."""
    files, rejected = list(files), []
    writer = CorpusWriter(out, SAMPLE_RATE)
    for item in tqdm(
        _prepare_all(files, trim, workers),
        total=len(files),
        desc=out.name,
        disable=not sys.stderr.isatty(),
    ):
        if item.wave is None:
            rejected.append(item)
            continue
        name = item.path.relative_to(root)
        id, speaker = label(name)
        writer.add(
            item.wave,
            id=id,
            path=name.as_posix(),
            speaker=speaker,
            level=item.level,
            sha256=item.sha256,
        )
    writer.close()
    seconds = sum(clip.num_samples for clip in writer.clips) / SAMPLE_RATE
    speakers = len({clip.speaker for clip in writer.clips})
    print(f"{out.name}: {len(writer.clips)} clips, {speakers} speakers, {seconds / 3600:.2f} h")
    return rejected


def write_sides(
    root: Path,
    train: list[Path],
    held_out_root: Path,
    held_out: list[Path],
    out: Path,
    workers: int,
) -> None:
    """OUT/train and OUT/held-out, OUT/held-out-audio, and OUT/rejected.tsv: what was left out, and why.

    The files of each side are below its root."""
    rejected = write_corpus(train, root, out / "train", workers)
    rejected += write_corpus(held_out, held_out_root, out / "held-out", workers)
    write_audio(Corpus(out / "held-out"), out / "held-out-audio")
    lines = [f"{item.path}\t{item.problem}\n" for item in rejected]
    with atomic_write(out / "rejected.tsv") as stream:
        stream.write("".join(lines).encode(errors="backslashreplace"))
    if rejected:
        print(f"{len(rejected)} files left out: see {out / 'rejected.tsv'}")


def write_audio(corpus: Corpus, out: Path) -> None:
    """Up to 200 clips spread over a prepared corpus, as FLAC files, and nothing else in `out`."""
    shutil.rmtree(out, ignore_errors=True)
    count = min(len(corpus.clips), JUDGED)
    for i in range(count):
        clip = corpus.clips[i * len(corpus.clips) // count]
        path = out / f"{clip.id}.flac"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, corpus.samples(clip), clip.sample_rate)


def write_transcripts(directory: Path, texts: Mapping[str, str]) -> None:
    """DIRECTORY/transcripts.tsv (clip, tab, text) of those clips of a prepared corpus that have one."""
    ids = [clip.id for clip in Corpus(directory).clips]
    lines = [f"{id}\t{' '.join(texts[id].split())}\n" for id in ids if id in texts]
    with atomic_write(directory / "transcripts.tsv") as stream:
        stream.write("".join(lines).encode())


def is_prepared(out: Path, source: dict[str, Any]) -> bool:
    """Whether `out` is complete, which is also told. Raises VqaudioError if it was made from something
    else than `source`."""
    if not (out / SOURCE).exists():
        return False
    before = json.loads((out / SOURCE).read_text())
    if before != source:
        raise VqaudioError(f"{out} was prepared from {before}, not from {source}: remove it first")
    print(f"{out} is prepared already")
    return True


def mark_prepared(out: Path, source: dict[str, Any]) -> None:
    """The last thing that is written: `out` is complete, and made from `source`."""
    with atomic_write(out / SOURCE) as stream:
        stream.write(json.dumps(source).encode())


Commands = tuple[argparse.ArgumentParser, argparse.ArgumentParser, argparse.ArgumentParser]


def commands(description: str) -> Commands:
    """A parser of a corpus's two commands, and the parsers of each: `download CORPUS_DIR` and
    `prepare CORPUS_DIR OUT [--workers N]`."""
    parser = argparse.ArgumentParser(description=description)
    both = parser.add_subparsers(dest="command", required=True)
    getting = both.add_parser("download", help="download and unpack")
    making = both.add_parser("prepare", help="decode what is there")
    for one in (getting, making):
        one.add_argument("corpus_dir", type=Path)
    making.add_argument("out", type=Path)
    making.add_argument(
        "--workers", type=int, default=2, metavar="N", help="processes (default: 2)"
    )
    return parser, getting, making


def told(prog: str, work: Callable[[], None]) -> int:
    """The exit status of `work`; what the user can mend is told in a line."""
    try:
        work()
    except (VqaudioError, OSError, ValueError) as error:  # ValueError: no text, no URL, no workers
        print(f"{prog}: {error}", file=sys.stderr)
        return 1
    return 0
