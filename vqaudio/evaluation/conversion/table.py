"""Reports of conversion and of the probe for the terminal or, with their bars, for Markdown."""

from collections.abc import Sequence

from vqaudio.evaluation.conversion.probe import ENGLISH
from vqaudio.evaluation.conversion.report import KNOWN, UNHEARD

WORST = 3
"""Targets that are named because they are met least."""

TITLES = {
    KNOWN: "clips of speakers that the corpus knows, not in it",
    UNHEARD: "clips of voices that the corpus never heard",
}


def conversion_table(report: dict) -> str:
    """A line a system, for either kind of sources."""
    lines: list[str] = []
    for name, group in report["groups"].items():
        title = f"{TITLES[name]}: {group['pairs']} pairs, {group['voices']} voices"
        lines += [title, "", *_aligned(_rows(group["systems"])), ""]
    lines += _notes(report)
    return "\n".join(lines)


def _rows(systems: dict) -> list[list[str]]:
    head = ["sound", "pairs", "nearer target, %", "95 %", "taken for target, %", "95 %"]
    rows = [head + ["to target", "to source", "words wrong, %", "95 %"]]
    for system, told in systems.items():
        rows.append(
            [
                system,
                str(told["success"]["count"]),
                *_with_interval(told["success"], 100, 0),
                *_with_interval(told["identified"], 100, 0),
                _number(told["to_target"]["mean"], 3),
                _number(told["to_source"]["mean"], 3),
                *_with_interval(told["words"], 1, 1),
            ]
        )
    return rows


def _notes(report: dict) -> list[str]:
    lines = [
        f"{len(report['targets'])} targets with {report['target_seconds']:g} s or more in the corpus; "
        f"{report['targets_left_out']} speakers with less are none",
        f"clips are cut to {report['seconds']:g} s; a target's voice is that of other clips, a "
        "source's of other clips where the corpus has some, else of the clip itself",
        "taken for target: no voice of the targets and the source is more alike",
        "intervals: by drawing source and target voices",
    ]
    if report["sources_left_out"]:
        lines.append(f"no clip is long enough of {', '.join(report['sources_left_out'])}")
    if left := report["pairs_left_out"]:
        lines.append(f"{left} pairs left out: too little speech in the clip")
    if report["words_missing"]:
        lines.append(f"words not measured: {report['words_missing']}")
    elif report["english"]:
        lines.append(f"words: of clips in {', '.join(report['english'])}")
    for name, targets in report["by_target"].items():
        worst = sorted(
            targets, key=lambda one: (targets[one]["success"], targets[one]["to_target"])
        )
        told = [f"{one} ({100 * targets[one]['success']:.0f} %)" for one in worst[:WORST]]
        lines.append(f"{name} meets least: {', '.join(told)}")
    return lines


def probe_table(report: dict) -> str:
    """A line for codes of each kind."""
    lines: list[str] = []
    for name, group in report["groups"].items():
        who = "English speakers" if name == ENGLISH else "speakers"
        title = (
            f"which of {group['speakers']} {who} it is, told from "
            f"{report['seconds']:g} s: {group['tested']} stretches, of {group['clips']} clips"
        )
        rows = [["told from", "a second", "right, %", "95 %"]]
        rows += [
            [row["name"], _number(row["rate"], 0), *_with_interval(row["accuracy"], 100, 1)]
            for row in group["rows"]
        ]
        lines += [title, "", *_aligned(rows), ""]
    if left := report["speakers_left_out"]:
        lines.append(f"{left} speakers with under {report['speaker_seconds']:g} s left out")
    return "\n".join(lines).rstrip()


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    bars = ["---", *["---:"] * (len(rows[0]) - 1)]
    rows = [rows[0], bars, *rows[1:]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]


def _with_interval(figure: dict, scale: float, digits: int) -> list[str]:
    ends = [figure[end] for end in ("low", "high")]
    told = "..".join(_number(scale * end, digits) for end in ends) if None not in ends else "-"
    mean = figure["mean"]
    return [_number(None if mean is None else scale * mean, digits), told]


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
