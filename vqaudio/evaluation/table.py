"""A scorecard's report for the terminal."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap

from vqaudio.evaluation.peers.coder import WHOLE_FILE

MAX_GROUPS = 4
"""Groups of clips that get a table of their own; the report has all."""


def table(report: dict, width: int | None = None, speeds: bool = True) -> str:
    """A line a codec, means over clips, with 95 % intervals below; how the first compares with the
    others; then what needs saying.

    As many tables below each other as `width`, in characters, asks for; by default one. Groups of
    clips, where there are a few, get tables too; how they compare is in the report. Without `speeds` the
    same models and clips give the same table every time.
    """
    metrics, groups = report["metrics"], report["groups"]
    lines = _lines(report["codecs"], metrics, width, speeds)
    lines += _comparison(report["differences"], metrics, width)
    if len(groups) <= MAX_GROUPS:
        for group, codecs in groups.items():
            count = max(codec["clips_scored"] for codec in codecs.values())
            lines += ["", f"{group}: {_clips(count)}", *_lines(codecs, metrics, width, speeds)]
    return "\n".join([*lines, "", *_notes(report)])


def _lines(
    codecs: Mapping[str, dict], metrics: Mapping[str, dict], width: int | None, speeds: bool
) -> list[str]:
    head = ["codec", "bit/s", "nominal", *(metric["label"] for metric in metrics.values())]
    rows = [[*head, "codes used", "perplexity", "encode RTF", "decode RTF"]]
    for name, codec in codecs.items():
        rows += _rows(name, codec, metrics)
    if not speeds:
        rows = [row[:-2] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines: list[str] = []
    for columns in _fold(widths, width):
        lines += [""] if lines else []
        for row in rows:
            cells = [row[0].ljust(widths[0]), *(row[c].rjust(widths[c]) for c in columns)]
            if line := "  ".join(cells).rstrip():
                lines.append(line)
    return lines


def _fold(widths: Sequence[int], width: int | None) -> list[list[int]]:
    """Columns after the first, in as many runs as it takes for each to fit beside the first."""
    runs: list[list[int]] = [[]]
    used = widths[0]
    for column, wide in enumerate(widths[1:], 1):
        if width is not None and runs[-1] and used + 2 + wide > width:
            runs.append([])
            used = widths[0]
        runs[-1].append(column)
        used += 2 + wide
    return runs


def _comparison(differences: dict, metrics: Mapping[str, dict], width: int | None) -> Iterator[str]:
    """How many metrics the first codec is better, undecided and worse in, and which those are."""
    if not (others := differences["others"]):
        return
    widest = max(map(len, others))
    lines = [f"{differences['first']} beside the others, clip by clip, at 95 %:"]
    for name, gaps in others.items():
        found = {
            verdict: [metrics[key]["label"] for key in gaps if gaps[key]["verdict"] == verdict]
            for verdict in ("better", "undecided", "worse")
        }
        said = [f"{len(found['better'])} better"] if any(found.values()) else ["nothing to compare"]
        for verdict in ("undecided", "worse"):
            if which := found[verdict]:
                said.append(f"{len(which)} {verdict}: {', '.join(which)}")
        lines.append(f"{name.ljust(widest)}  {'; '.join(said)}")
    yield ""
    for line in lines:
        yield from [line] if width is None else wrap(line, width, subsequent_indent="  ")


def _rows(name: str, codec: dict, metrics: Mapping[str, dict]) -> list[list[str]]:
    means, intervals = [], []
    for key, metric in metrics.items():
        scores, digits = codec["scores"][key], metric["digits"]
        means.append(_number(scores["mean"], digits))
        ends = (_number(scores[end], digits) for end in ("low", "high"))
        intervals.append("" if scores["low"] is None else "..".join(ends))
    book = codec["codebook"] or {"used": None, "perplexity": None}
    used = book["used"] and 100 * book["used"]
    rest = [
        f"{_number(used, 1)} %" if used else "-",
        _number(book["perplexity"], 0),
        _number(codec["encode_rtf"], 3),
        _number(codec["decode_rtf"], 3),
    ]
    rates = [_number(codec["bitrate"], 0), _number(codec["nominal"], 0)]
    return [[name, *rates, *means, *rest], ["", "", "", *intervals, *("" for _ in rest)]]


def _notes(report: dict) -> list[str]:
    notes = [f"{name}: skipped, {reason}" for name, reason in report["missing"].items()]
    notes += [f"{name}: not measured, {why}" for name, why in report["metrics_missing"].items()]
    counted, undefined, spoilt = defaultdict(list), defaultdict(list), defaultdict(list)
    for name, codec in report["codecs"].items():
        if codec["counted"] != WHOLE_FILE:
            counted[codec["counted"]].append(name)
        for key, scores in codec["scores"].items():
            if number := codec["clips_scored"] - scores["clips"]:
                undefined[report["metrics"][key]["label"], _clips(number)].append(name)
            if number := scores["spoilt"]:
                spoilt[name, _clips(number)].append(_worst(report["metrics"][key]))
    notes += [f"{', '.join(names)}: counted are {what}" for what, names in counted.items()]
    for (label, clips), names in undefined.items():
        who = "all codecs" if len(names) == len(report["codecs"]) > 1 else ", ".join(names)
        notes.append(f"{label} is not defined for {clips}: {who}")
    for (name, clips), worst in spoilt.items():
        notes.append(f"{name} left nothing to judge of {clips}, which count {', '.join(worst)}")
    if len(report["groups"]) > MAX_GROUPS:
        notes.append(f"{len(report['groups'])} groups of clips, by first folder, are in the report")
    if failed := len(report["failed"]):
        notes.append(f"{failed} failure{'' if failed == 1 else 's'}, named in the report")
    files = report["files"]
    count = f"{files['count']} file{'' if files['count'] == 1 else 's'}"
    return [*notes, f"{count}, SHA-256 {files['sha256'][:16]}"]


def _worst(metric: dict) -> str:
    return f"{_number(metric['worst'], metric['digits'])} {metric['label']}"


def _clips(number: int) -> str:
    return f"{number} clip{'' if number == 1 else 's'}"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
