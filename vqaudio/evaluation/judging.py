"""Second pass of a scorecard: all recordings measured, in several processes."""

import math
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import groupby
from multiprocessing import active_children, get_context
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

import soundfile
import torch

from vqaudio.errors import VqaudioError
from vqaudio.evaluation.coding import ORIGINAL, Clip, Failure, Progress
from vqaudio.evaluation.metrics import METRICS

TASKS_PER_JOB = 4
"""At least so many pieces of work a process, so that all of them end at about the same time."""


class Judged(NamedTuple):
    """What the metrics say of a clip, by their names; nan where one is not defined.

    spoilt: those whose worst value the clip got, as the codec left nothing that could be judged.
    """

    clip: Clip
    scores: dict[str, float]
    weights: dict[str, float]
    spoilt: list[str]
    failures: list[Failure]

    def weight(self, metric: str) -> float:
        """What the clip counts in a mean."""
        return self.weights.get(metric, 1.0)


def judge_all(
    clips: Sequence[Clip],
    metrics: Sequence[str],
    recordings: Path,
    jobs: int,
    on_progress: Callable[[Progress], None],
) -> list[Judged]:
    """Measure recorded clips, in their order. VqaudioError when a process dies.

    What several codecs made of one clip is measured in one process: metrics remember what they
    found out about the original.
    """
    tasks, done = _tasks(clips, jobs), 0
    found: dict[int, list[Judged]] = {}
    on_progress(Progress("judging", done, len(clips)))
    for number, judged in _run(tasks, metrics, recordings, jobs):
        found[number] = judged
        done += len(judged)
        failures = [failure for one in judged for failure in one.failures]
        on_progress(Progress("judging", done, len(clips), None, failures))
    return [judged for number in sorted(found) for judged in found[number]]


def judge(clips: Sequence[Clip], metrics: Sequence[str], recordings: Path) -> list[Judged]:
    """Measure what codecs made of one file."""
    original = _read(recordings / ORIGINAL / clips[0].recording)
    return [_judge(clip, original, metrics, recordings) for clip in clips]


def _judge(clip: Clip, original, metrics: Sequence[str], recordings: Path) -> Judged:
    part = slice(clip.start, clip.start + clip.length)
    reference = original[part]
    decoded = _read(recordings / clip.codec / clip.recording)[part]
    scores, weights, spoilt, failures = {}, {}, [], []
    for name in metrics:
        metric = METRICS[name]
        try:
            scores[name], is_spoilt = metric.score(reference, decoded)
            if metric.weight is not None:
                weights[name] = float(metric.weight(reference))
            spoilt += [name] if is_spoilt else []
        except Exception as error:  # one judge's trouble must not cost the others' work
            scores[name] = math.nan
            words = f"{metric.label}: {type(error).__name__}: {error}"
            failures.append(Failure(clip.codec, clip.path, words))
    return Judged(clip, scores, weights, spoilt, failures)


def _read(path: Path):
    return soundfile.read(path, dtype="float32")[0]


def _tasks(clips: Sequence[Clip], jobs: int) -> list[list[Clip]]:
    """Clips of one file together, unless that leaves too little to share."""
    files = [list(group) for _, group in groupby(clips, attrgetter("path"))]
    parts = math.ceil(TASKS_PER_JOB * jobs / len(files)) if files and jobs > 1 else 1
    return [
        group[start : start + size]
        for group in files
        for size in [math.ceil(len(group) / parts)]
        for start in range(0, len(group), size)
    ]


def _run(
    tasks: list[list[Clip]], metrics: Sequence[str], recordings: Path, jobs: int
) -> Iterator[tuple[int, list[Judged]]]:
    """(number, result) of the tasks as they are done."""
    if jobs == 1:
        yield from ((number, judge(task, metrics, recordings)) for number, task in enumerate(tasks))
        return
    before = set(active_children())
    # spawn: a forked child of a process that has run torch can hang in its thread pool.
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _start_worker)
    try:
        with _interrupts_ignored():  # workers inherit that: Ctrl-C is for us to tell them
            numbers = {
                pool.submit(judge, task, metrics, recordings): number
                for number, task in enumerate(tasks)
            }
        for future in as_completed(numbers):
            yield numbers[future], future.result()
    except BrokenProcessPool as error:
        reason = "a process that judges clips has died, perhaps for want of memory: try fewer jobs"
        raise VqaudioError(reason) from error
    except BaseException:
        for process in set(active_children()) - before:
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
