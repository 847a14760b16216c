"""A report on priors for the terminal."""

from collections.abc import Iterator

from vqaudio.evaluation.table import MAX_GROUPS


def prior_table(report: dict, speeds: bool = True) -> str:
    """Bits per code, a line a model; files, a line a coding; samples, a line a source; notes."""
    lines = [*_columns(_scores(report)), "", *_columns(_files(report, speeds)), ""]
    return "\n".join([*lines, *_columns(_samples(report)), "", *_notes(report)])


def _scores(report: dict) -> Iterator[list[str]]:
    models = report["bits_per_code"]
    groups = list(next(iter(models.values()))["groups"])
    groups = groups if len(groups) <= MAX_GROUPS else []
    yield ["model", "bits per code", "95 %", "saved", *groups, "beside trigram", "95 %"]
    for name, told in models.items():
        gap = told.get("beside_trigram")
        yield [
            name,
            _number(told["mean"], 3),
            _ends(told, 2),
            _percent(1 - told["mean"] / report["codec"]["bits"]),
            *(_number(told["groups"][group], 3) for group in groups),
            *([f"{gap['mean']:+.3f}", _ends(gap, 2, "+")] if gap else ["", ""]),
        ]


def _files(report: dict, speeds: bool) -> Iterator[list[str]]:
    yield [
        *("files", "bytes", "bit/s", "bits per code", "smaller", "95 %", "coder adds"),
        *("encode RTF", "decode RTF"),
    ]
    for name, told in report["coded"].items():
        yield [
            name,
            str(told["bytes"]),
            _number(told["bitrate"], 0),
            _number(told["bits_per_code"], 3),
            _percent(told["saving"]["mean"]),
            _ends(told["saving"], 1, scale=100),
            _percent(told["overhead"], 2),
            *((_number(told[rtf], 4) if speeds else "") for rtf in ("encode_rtf", "decode_rtf")),
        ]


def _samples(report: dict) -> Iterator[list[str]]:
    told = report["samples"]
    judges = [f"bits by {judge}" for judge in told["judges"]]
    yield ["samples", "codes differ", "runs differ", f"{told['gram']}-grams copied", *judges]
    for name, row in told["rows"].items():
        yield [
            name,
            _number(row["code_distance"], 4),
            _number(row["run_distance"], 4),
            "" if row["copied"] is None else _percent(row["copied"], 2),
            *(_number(row["bits_per_code"].get(judge), 3) for judge in told["judges"]),
        ]


def _notes(report: dict) -> Iterator[str]:
    train, told, count = report["train"], report["samples"], len(report["clips"])
    if train:
        yield f"n-gram models: {train['codes']} codes of {_many(train['clips'], 'clip')}"
    else:
        yield "no n-gram models, and nothing about copies: --train-codes gives both"
    yield "xz: xz -9e on the packed codes of each clip by itself"
    for name, coded in report["coded"].items():
        if coded["restored"] == count:
            yield f"{name}: every code of {_many(count, 'clip')} restored exactly"
        else:
            yield f"{name}: NOT RESTORED: {count - coded['restored']} of {_many(count, 'clip')}"
    inexact = [name for name, prior in report["priors"].items() if not prior["exact"]]
    if inexact:
        yield f"{', '.join(inexact)}: no files, works in floating point"
    yield (
        f"samples: {told['count']} of {told['codes']} codes, seed {told['seed']}, temperature "
        f"{told['temperature']:g}{_top(told['top_p'])}; codes and runs differ from "
        f"{told['reference']}: Jensen-Shannon divergence in bits"
    )
    if failed := len(report["failed"]):
        yield f"{_many(failed, 'failure')}, named in the report"
    files = report["files"]
    yield f"{_many(files['count'], 'file')}, SHA-256 {files['sha256'][:16]}"


def _columns(rows: Iterator[list[str]]) -> Iterator[str]:
    """The first column to the left, the others to the right; columns with nothing below are out."""
    columns = list(zip(*rows, strict=True))
    columns = [column for column in columns if any(column[1:])]
    widths = [max(map(len, column)) for column in columns]
    for row in zip(*columns, strict=True):
        first, *others = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join([row[0].ljust(len(first)), *others]).rstrip()


def _ends(told: dict, digits: int, sign: str = "", scale: float = 1) -> str:
    """Of an interval; nothing where there is none, or no width in it."""
    low, high = told["low"], told["high"]
    if low is None or low == high:
        return ""
    return f"{scale * low:{sign}.{digits}f}..{scale * high:{sign}.{digits}f}"


def _many(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _top(share: float | None) -> str:
    return "" if share is None else f", top-p {share:g}"


def _percent(share: float | None, digits: int = 1) -> str:
    return "-" if share is None else f"{100 * share:.{digits}f} %"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
