"""Several codecs on one folder of speech: bits, measures of quality, use of the codebook, speed."""

import hashlib
import math
import os
import platform
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

import numpy as np
import soxr
import torch

from vqaudio import audio
from vqaudio.codec import Codec
from vqaudio.codes import Codes, bits_per_code
from vqaudio.errors import AudioError, VqaudioError
from vqaudio.evaluation.metrics import METRICS, align
from vqaudio.evaluation.peers import SAMPLE_RATE, Coded, Coder

PACKAGES = ("vqaudio", "torch", "numpy", "scipy", "librosa", "soxr", "pesq", "pystoi")
MAX_LOSS = 0.25
"""Seconds of a clip that may be missing after alignment: delay and a last part of a frame."""
RESAMPLES = 2000
"""Bootstrap resamples behind an interval."""


class CodecCoder:
    """A vqaudio codec as a scorecard sees it: through a real file, every byte counted."""

    def __init__(self, codec: Codec, name: str):
        self.codec, self.name = codec, name
        model = codec.model
        bits = bits_per_code(model.codebook_size)
        self.nominal: float | None = model.sample_rate / model.hop * bits

    def missing(self) -> str | None:
        return None

    def code(self, wave: np.ndarray) -> Coded:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "clip.vqc")
            start = perf_counter()
            self.codec.encode(wave, SAMPLE_RATE).save(path)
            encoded = perf_counter()
            codes = Codes.load(path)
            decoded = self.codec.decode(codes)[0].numpy()
            end = perf_counter()
            usage = np.bincount(codes.indices.flatten().numpy(), minlength=codes.codebook_size)
            return Coded(decoded, path.stat().st_size, encoded - start, end - encoded, usage)


def read_clip(path: str | os.PathLike) -> np.ndarray:
    """A file's sound, mixed down, float32 [T] at 16 kHz. AudioError when it cannot be read."""
    wave, rate = audio.read(path)
    wave = soxr.resample(audio.to_mono(wave)[0].numpy(), rate, SAMPLE_RATE)
    if not len(wave) or not np.isfinite(wave).all():
        raise AudioError("no samples, or samples that are infinite or not a number")
    return wave


@dataclass(frozen=True)
class Clip:
    """What one codec made of one file."""

    seconds: float
    num_bytes: int
    encode_seconds: float
    decode_seconds: float
    scores: dict[str, float]
    usage: np.ndarray | None


def score(coder: Coder, path: str | os.PathLike) -> Clip:
    """Code one file and measure it. VqaudioError or OSError when it cannot be read or coded."""
    original = read_clip(path)
    coded = coder.code(original)
    try:
        reference, decoded = align(original, coded.wave)
    except ValueError as error:
        raise VqaudioError(str(error)) from error
    if (lost := (len(original) - len(reference)) / SAMPLE_RATE) > MAX_LOSS:
        raise VqaudioError(f"{lost:.2f} s of the clip are missing from what was decoded")
    return Clip(
        len(original) / SAMPLE_RATE,
        coded.num_bytes,
        coded.encode_seconds,
        coded.decode_seconds,
        {name: metric.function(reference, decoded) for name, metric in METRICS.items()},
        coded.usage,
    )


def scorecard(
    coders: Sequence[Coder],
    directory: str | os.PathLike,
    jobs: int = 1,
    on_clip: Callable[[str, Path, str | None], None] = lambda coder, path, error: None,
) -> dict:
    """Run every codec over every clip below `directory`; a report of JSON types.

    on_clip(codec, path, error) is told of each clip done, error being None or one line. A codec
    that is missing and clips that fail are named in the report, and left out of its means.
    VqaudioError when there are no clips, or two codecs have one name; OSError when there is no such
    folder.
    """
    directory, paths = Path(directory), audio.find(directory)
    if not paths:
        raise VqaudioError("no audio files in this folder")
    if len({coder.name for coder in coders}) < len(coders):
        raise VqaudioError("two codecs have the same name")
    missing = {coder.name: reason for coder in coders if (reason := coder.missing())}
    present = [coder for coder in coders if coder.name not in missing]
    tasks = [(coder, path) for coder in present for path in paths]
    clips: dict[str, dict[str, Clip]] = defaultdict(dict)
    failed = []
    for (coder, path), result in zip(tasks, _run(tasks, present, jobs), strict=True):
        relative = path.relative_to(directory).as_posix()
        if isinstance(result, str):
            failed.append({"codec": coder.name, "path": relative, "error": result})
        else:
            clips[coder.name][relative] = result
        on_clip(coder.name, path, result if isinstance(result, str) else None)
    return {
        "files": {"count": len(paths), "sha256": hash_files(directory, paths)},
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "system": platform.platform(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads() if jobs == 1 else 1,
            "jobs": jobs,
        },
        "versions": {"python": platform.python_version(), **_versions()},
        "codecs": {coder.name: _summary(coder, clips[coder.name]) for coder in present},
        "missing": missing,
        "failed": failed,
    }


def hash_files(directory: Path, paths: Sequence[Path]) -> str:
    """SHA-256 over the names, relative to `directory`, and the contents of files."""
    total = hashlib.sha256()
    for path in paths:
        try:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError:
            digest = "unreadable"
        total.update(f"{digest}  {path.relative_to(directory).as_posix()}\n".encode())
    return total.hexdigest()


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The bootstrap 95 % interval of the mean, with a fixed seed."""
    values = np.asarray(values)
    picks = np.random.default_rng(0).integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.quantile(values[picks].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def _summary(coder: Coder, clips: dict[str, Clip]) -> dict:
    seconds = sum(clip.seconds for clip in clips.values())

    def over_time(total: float) -> float | None:
        return total / seconds if clips else None

    return {
        "nominal": coder.nominal,
        "bitrate": over_time(8 * sum(clip.num_bytes for clip in clips.values())),
        "clips_scored": len(clips),
        "seconds": seconds,
        "scores": {
            name: _statistics([clip.scores[name] for clip in clips.values()]) for name in METRICS
        },
        "codebook": _codebook([clip.usage for clip in clips.values()]),
        "encode_rtf": over_time(sum(clip.encode_seconds for clip in clips.values())),
        "decode_rtf": over_time(sum(clip.decode_seconds for clip in clips.values())),
        "clips": [
            {
                "path": path,
                "seconds": clip.seconds,
                "bytes": clip.num_bytes,
                **{key: None if math.isnan(s) else s for key, s in clip.scores.items()},
            }
            for path, clip in clips.items()
        ],
    }


def _statistics(values: list[float]) -> dict:
    values = [value for value in values if not math.isnan(value)]
    if not values:
        return {"mean": None, "low": None, "high": None, "clips": 0}
    low, high = interval(values)
    return {"mean": float(np.mean(values)), "low": low, "high": high, "clips": len(values)}


def _codebook(usages: list[np.ndarray | None]) -> dict | None:
    """Share of the codes used over all clips, and 2 ** entropy of their frequencies."""
    if not usages or usages[0] is None:
        return None
    counts = np.sum(usages, axis=0)
    shares = counts[counts > 0] / counts.sum()
    perplexity = float(2 ** -(shares * np.log2(shares)).sum())
    return {"size": len(counts), "used": len(shares) / len(counts), "perplexity": perplexity}


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _run(tasks: list[tuple[Coder, Path]], coders: list[Coder], jobs: int) -> Iterator[Clip | str]:
    """The results of tasks, in order: a Clip, or one line on what went wrong."""
    if jobs == 1:
        yield from (_attempt(coder, path) for coder, path in tasks)
        return
    # spawn: a forked child of a process that has run torch can hang in its thread pool.
    names = [(coder.name, path) for coder, path in tasks]
    with ProcessPoolExecutor(jobs, get_context("spawn"), _start_worker, (coders,)) as pool:
        yield from pool.map(_attempt_by_name, names)


_worker_coders: dict[str, Coder] = {}


def _start_worker(coders: list[Coder]) -> None:
    torch.set_num_threads(1)
    _worker_coders.update({coder.name: coder for coder in coders})


def _attempt_by_name(task: tuple[str, Path]) -> Clip | str:
    return _attempt(_worker_coders[task[0]], task[1])


def _attempt(coder: Coder, path: Path) -> Clip | str:
    try:
        return score(coder, path)
    except (VqaudioError, OSError) as error:
        return str(error)
