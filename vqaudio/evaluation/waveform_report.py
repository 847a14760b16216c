"""What the paper's decoder costs and how long it takes, as JSON values and as a table."""

from collections.abc import Mapping
from math import isnan
from typing import NamedTuple

from vqaudio.evaluation.metrics import METRICS
from vqaudio.evaluation.waveform_bits import SampleBits, together

MOST_ROWS = 20
"""Clips that the table has; the report has all."""


class Judged(NamedTuple):
    """What a recording costs; speaker: whom the decoder is told, None where it is told nobody."""

    path: str
    speaker: str | None
    seconds: float
    codes: int
    bits: SampleBits


class Drawing(NamedTuple):
    """`seconds` of sound were drawn in `elapsed` seconds on the clock, `processor` seconds of this
    process at work, which others on the machine change less; up to `rows` clips side by side."""

    seconds: float
    elapsed: float
    processor: float
    rows: int
    device: str
    threads: int


def report(
    card: dict,
    clips: list[Judged],
    drawing: Drawing | None,
    scores: Mapping[str, Mapping[str, float]] = {},
) -> dict:
    """clips: at least one; scores: by path, what the metrics say of those that were judged."""
    training = card.get("training", {})
    return {
        "model": {
            "name": card.get("name"),
            "fingerprint": card["fingerprint"],
            "steps": training.get("steps"),
            "hours_of_audio_heard": training.get("hours_of_audio_heard"),
        },
        "clips": [
            {**clip._asdict(), "samples": clip.bits.samples, **clip.bits.per_sample()}
            for clip in clips
        ],
        "all": {
            "clips": len(clips),
            "seconds": sum(clip.seconds for clip in clips),
            **together(clip.bits for clip in clips).per_sample(),
        },
        "scores": {path: _known(judged) for path, judged in scores.items()},
        "drawing": drawing
        and {
            **drawing._asdict(),
            "seconds_per_second": drawing.elapsed / drawing.seconds,
            "processor_seconds_per_second": drawing.processor / drawing.seconds,
        },
    }


def table(values: dict) -> str:
    """Markdown: bits a sample of the first clips and of all; then how long drawing took."""
    rows = [["clip", "speaker told", "seconds", "bits a sample", "codes shuffled", "codes zeroed"]]
    rows += [
        _row(clip["path"], clip["speaker"] or "-", clip) for clip in values["clips"][:MOST_ROWS]
    ]
    count = values["all"]["clips"]
    if count > 1:
        rows.append(_row(f"all {count}", "", values["all"]))
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|---|---|---:|---:|---:|---:|")
    model = values["model"]
    lines += [
        "",
        f"{model['name']}: {model['steps']} steps, {model['hours_of_audio_heard']} h heard",
    ]
    if values["scores"]:
        lines += ["", *_scores(values["scores"])]
    if drawing := values["drawing"]:
        lines += ["", _timing(drawing)]
    return "\n".join(lines)


def _timing(drawing: dict) -> str:
    threads = f"{drawing['threads']} thread" + ("s" if drawing["threads"] > 1 else "")
    return (
        f"{drawing['seconds']:.2f} s of sound drawn in {drawing['elapsed']:.1f} s, "
        f"{drawing['seconds_per_second']:.2f} s a second "
        f"({drawing['processor_seconds_per_second']:.2f} s of processor time), "
        f"up to {drawing['rows']} clips at a time, on {drawing['device']}, {threads}"
    )


def _known(scores: Mapping[str, float]) -> dict[str, float | None]:
    return {name: None if isnan(score) else score for name, score in scores.items()}


def _scores(scores: dict[str, dict[str, float | None]]) -> list[str]:
    metrics = list(next(iter(scores.values())))
    rows = [["drawn", *(METRICS[name].label for name in metrics)]]
    for path, judged in scores.items():
        told = zip(metrics, judged.values(), strict=True)
        cells = (
            "-" if score is None else f"{score:.{METRICS[name].digits}f}" for name, score in told
        )
        rows.append([path, *cells])
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return [lines[0], "|---" + "|---:" * len(metrics) + "|", *lines[1:]]


def _row(name: str, speaker: str, values: dict) -> list[str]:
    bits = (values[key] for key in ("bits", "bits_shuffled", "bits_zeroed"))
    return [name, speaker, f"{values['seconds']:.2f}", *(f"{value:.3f}" for value in bits)]
