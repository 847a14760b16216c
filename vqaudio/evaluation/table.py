"""A scorecard's report for the terminal."""

from vqaudio.evaluation.metrics import METRICS


def table(report: dict) -> str:
    """A line a codec, means over clips, with 95 % intervals below; then what needs saying."""
    rows = [["codec", "bit/s", *(metric.label for metric in METRICS.values())]]
    rows[0] += ["codes used", "perplexity", "encode RTF", "decode RTF"]
    for name, codec in report["codecs"].items():
        rows += _rows(name, codec)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
        for row in rows
    ]
    return "\n".join([*lines, "", *_notes(report)])


def _rows(name: str, codec: dict) -> list[list[str]]:
    means, intervals = [], []
    for key, metric in METRICS.items():
        scores, digits = codec["scores"][key], metric.digits
        means.append(_number(scores["mean"], digits))
        ends = (_number(scores[end], digits) for end in ("low", "high"))
        intervals.append("..".join(ends) if scores["clips"] else "")
    book = codec["codebook"] or {"used": None, "perplexity": None}
    used = book["used"] and 100 * book["used"]
    rest = [
        f"{_number(used, 1)} %" if used else "-",
        _number(book["perplexity"], 0),
        _number(codec["encode_rtf"], 3),
        _number(codec["decode_rtf"], 3),
    ]
    first = [name, _number(codec["bitrate"], 0), *means, *rest]
    return [first, ["", "", *intervals, *("" for _ in rest)]]


def _notes(report: dict) -> list[str]:
    notes = [f"{name}: skipped, {reason}" for name, reason in report["missing"].items()]
    for name, codec in report["codecs"].items():
        for key, scores in codec["scores"].items():
            if undefined := codec["clips_scored"] - scores["clips"]:
                notes.append(f"{name}: {METRICS[key].label} is not defined for {undefined} clips")
    if report["failed"]:
        notes.append(f"{len(report['failed'])} clips failed")
    files = report["files"]
    return [*notes, f"{files['count']} files, SHA-256 {files['sha256'][:16]}"]


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
