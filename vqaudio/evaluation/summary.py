"""Figures of a codec out of figures of clips."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import TypeVar

import numpy as np

from vqaudio.evaluation.judging import Judged
from vqaudio.evaluation.peers.coder import Coder

T = TypeVar("T")

RESAMPLES = 2000
"""Bootstrap resamples behind an interval."""


def summary(coder: Coder, clips: Sequence[Judged], metrics: Sequence[str]) -> dict:
    """Rate, scores, use of the codebook and speed of one codec over some clips, as JSON types."""
    seconds = sum(one.clip.seconds for one in clips)

    def over_time(total: float) -> float | None:
        return total / seconds if clips else None

    return {
        "nominal": coder.nominal,
        "bitrate": over_time(8 * sum(one.clip.num_bytes for one in clips)),
        "counted": coder.counted,
        "clips_scored": len(clips),
        "seconds": seconds,
        "scores": {
            name: {
                **statistics(
                    [one.scores[name] for one in clips], [one.weight(name) for one in clips]
                ),
                "spoilt": sum(name in one.spoilt for one in clips),
            }
            for name in metrics
        },
        "codebook": codebook([one.clip.usage for one in clips]),
        "encode_rtf": over_time(sum(one.clip.encode_seconds for one in clips)),
        "decode_rtf": over_time(sum(one.clip.decode_seconds for one in clips)),
    }


def clip_entry(one: Judged) -> dict:
    """A clip's own figures, as JSON types; None where a metric is not defined."""
    return {
        "path": one.clip.path,
        "recording": one.clip.recording,
        "seconds": one.clip.seconds,
        "bytes": one.clip.num_bytes,
        **_finite(one.scores),
        "weights": _finite(one.weights),
        "spoilt": one.spoilt,
    }


def by_folder(clips: Sequence[T], path: Callable[[T], str]) -> dict[str, list[T]]:
    """Clips by the first folder of their path, "." for none; nothing where all have the same."""
    groups: dict[str, list[T]] = {}
    for clip in clips:
        folders = PurePosixPath(path(clip)).parts[:-1]
        groups.setdefault(folders[0] if folders else ".", []).append(clip)
    return groups if len(groups) > 1 else {}


def statistics(values: Sequence[float], weights: Sequence[float] | None = None) -> dict:
    """Weighted mean, its interval, and number of the clips in it: those where value and weight are
    defined and the weight is not zero. One clip has no interval."""
    values = np.asarray(values, float)
    weights = np.ones_like(values) if weights is None else np.asarray(weights, float)
    there = np.isfinite(values) & np.isfinite(weights) & (weights > 0)
    values, weights = values[there], weights[there]
    if not len(values):
        return {"mean": None, "low": None, "high": None, "clips": 0}
    low, high = interval(values, weights) if len(values) > 1 else (None, None)
    mean = float((weights * values).sum() / weights.sum())
    return {"mean": mean, "low": low, "high": high, "clips": len(values)}


def interval(
    values: Sequence[float], weights: Sequence[float] | None = None
) -> tuple[float, float]:
    """The bootstrap 95 % interval of the weighted mean over clips, with a fixed seed.

    Of figures of a codec, or of the differences of two, clip by clip: a paired bootstrap then, in
    which both codecs are drawn with the same clips.
    """
    values = np.asarray(values, float)
    weights = np.ones_like(values) if weights is None else np.asarray(weights, float)
    picks = np.random.default_rng(0).integers(len(values), size=(RESAMPLES, len(values)))
    means = (weights * values)[picks].sum(axis=1) / weights[picks].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def codebook(usages: Sequence[np.ndarray | None]) -> dict | None:
    """Share of the codes used over all clips, and 2 ** entropy of their frequencies."""
    if not usages or usages[0] is None:
        return None
    counts = np.sum(usages, axis=0)
    shares = counts[counts > 0] / counts.sum()
    perplexity = float(2 ** -(shares * np.log2(shares)).sum())
    return {"size": len(counts), "used": len(shares) / len(counts), "perplexity": perplexity}


def _finite(numbers: Mapping[str, float]) -> dict[str, float | None]:
    return {name: number if math.isfinite(number) else None for name, number in numbers.items()}
