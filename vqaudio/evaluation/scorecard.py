"""Several codecs on one folder of speech: bits, measures of quality, use of the codebook, speed."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from vqaudio import audio
from vqaudio.errors import VqaudioError
from vqaudio.evaluation.coding import ORIGINAL, Progress, code_all
from vqaudio.evaluation.comparison import differences
from vqaudio.evaluation.judging import Judged, judge_all
from vqaudio.evaluation.metrics import METRICS
from vqaudio.evaluation.peers import Coder
from vqaudio.evaluation.provenance import hash_files, machine, versions
from vqaudio.evaluation.summary import by_folder, clip_entry, summary

PACKAGES = (
    *("vqaudio", "torch", "numpy", "scipy", "librosa", "soundfile", "soxr"),
    *("pesq", "pystoi", "onnxruntime", "encodec"),
)
"""Whose versions a report tells, beside those that metrics need."""


def scorecard(
    coders: Sequence[Coder],
    directory: str | os.PathLike,
    recordings: Path,
    jobs: int = 1,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> dict:
    """Run every codec over every clip below `directory`; a report of JSON types.

    Clips are coded one at a time, with all threads, as speed is measured; `recordings`, a folder
    that is there, takes their sound (see coding.py). They are then judged in `jobs` processes. A
    codec or metric that is missing and clips that fail are named in the report, and left out of
    its means; a clip that is decoded to what cannot be judged, such as silence, counts as the worst
    (Metric.worst). VqaudioError when there are no clips, no codec can run, codecs cannot be told apart
    by their names, or a process dies; OSError when there is no such folder, or recordings cannot
    be written.
    """
    directory, paths = Path(directory), audio.find(directory)
    if not paths:
        raise VqaudioError("no audio files in this folder")
    _check_names([coder.name for coder in coders])
    missing = {coder.name: reason for coder in coders if (reason := coder.missing())}
    present = [coder for coder in coders if coder.name not in missing]
    if not present:
        raise VqaudioError("no codec can run: " + "; ".join(missing.values()))
    metrics_missing = {name: why for name, metric in METRICS.items() if (why := metric.missing())}
    metrics = [name for name in METRICS if name not in metrics_missing]

    digest = hash_files(directory, paths)
    clips, failures = code_all(present, directory, paths, recordings, on_progress)
    judged = judge_all(clips, metrics, recordings, jobs, on_progress)
    failures += [failure for one in judged for failure in one.failures]
    names, groups = [coder.name for coder in present], by_folder(judged, lambda one: one.clip.path)

    def of(name: str, some: Sequence[Judged]) -> list[Judged]:
        return [one for one in some if one.clip.codec == name]

    return {
        "files": {"count": len(paths), "sha256": digest},
        "machine": {**machine(), "jobs": jobs},
        "versions": _versions(metrics, present),
        "metrics": {name: _about(name) for name in metrics},
        "metrics_missing": metrics_missing,
        "codecs": {
            coder.name: {
                **summary(coder, of(coder.name, judged), metrics),
                "clips": [clip_entry(one) for one in of(coder.name, judged)],
            }
            for coder in present
        },
        "groups": {
            group: {coder.name: summary(coder, of(coder.name, some), metrics) for coder in present}
            for group, some in groups.items()
        },
        "differences": {
            "first": names[0],
            "others": differences(names, judged, metrics),
            "groups": {g: differences(names, some, metrics) for g, some in groups.items()},
        },
        "missing": missing,
        "failed": [failure._asdict() for failure in failures],
    }


def _check_names(names: Sequence[str]) -> None:
    """Names are keys of the report and folders of recordings."""
    for name in names:
        if names.count(name) > 1:
            raise VqaudioError(f"two codecs have the same name, {name}")
        if name in ("", ".", "..", ORIGINAL) or set(name) & set("/\\\0"):
            raise VqaudioError(f"{name!r} cannot be the name of a codec: it names a folder")


def _about(name: str) -> dict:
    metric = METRICS[name]
    return {
        "label": metric.label,
        "higher_is_better": metric.higher_is_better,
        "digits": metric.digits,
        "worst": metric.worst,
    }


def _versions(metrics: Sequence[str], coders: Sequence[Coder]) -> dict[str, str]:
    """Of Python packages that are installed, and of codecs that can tell theirs."""
    judges = [need.name for name in metrics for need in METRICS[name].needs]
    told = {coder.name: told for coder in coders if (told := coder.version())}
    return versions([*PACKAGES, *judges]) | told
