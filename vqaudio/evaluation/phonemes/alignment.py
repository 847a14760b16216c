"""Which phone is said when: intervals of clips, read from TextGrid and CTM, kept as JSON lines."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vqaudio.errors import AudioError

SILENCE = "SIL"
UNKNOWN = ""
"""The label of a moment that nothing is known about."""
_SILENCES = {"", "SIL", "SP", "PAU", "H#", "<EPS>"}
_UNKNOWNS = {"SPN", "OOV", "<UNK>"}


class Phone(NamedTuple):
    """`label` from `start` to `end`, in seconds of the clip."""

    start: float
    end: float
    label: str


class Alignment(NamedTuple):
    """The phones of a clip, in order of time; source: where the words come from; problem: why there
    are none."""

    id: str
    phones: tuple[Phone, ...]
    source: str
    problem: str = ""


def label(name: str) -> str:
    """One name for each phone: upper case, without the digit of stress (AH0 is AH) or the ending of
    a position in a word (AH_B is AH); SILENCE for pauses and noises, UNKNOWN for words unknown."""
    name = re.sub(r"_[BIES]$", "", name.strip().upper())
    if name in _SILENCES or re.fullmatch(r"\+.*\+|<.?S>|\[?NOISE\]?", name):
        return SILENCE
    return UNKNOWN if name in _UNKNOWNS else re.sub(r"(?<=[A-Z])\d$", "", name)


def labels_at(phones: Sequence[Phone], seconds: np.ndarray) -> list[str]:
    """The label at each moment; UNKNOWN before the first phone, after the last and in gaps."""
    if not phones:
        return [UNKNOWN] * len(seconds)
    found = np.searchsorted([phone.start for phone in phones], seconds, side="right") - 1
    return [
        phones[n].label if n >= 0 and moment < phones[n].end else UNKNOWN
        for n, moment in zip(found, seconds, strict=True)
    ]


def read_textgrid(path: Path) -> tuple[Phone, ...]:
    """The tier named phones (or phone) of a Praat TextGrid, long or short, as the Montreal Forced
    Aligner writes them. Raises AudioError if there is none."""
    data = path.read_bytes()
    text = data.decode(
        "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "replace"
    )
    # What is between the values in the long form (xmin = ...) says nothing that their order does not.
    tokens = re.findall(
        r'"(?:[^"]|"")*"|(?<![\w\[.])-?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?(?![\w\]])', text
    )
    for start in range(len(tokens) - 4):
        if tokens[start] == '"IntervalTier"' and tokens[start + 1].lower() in (
            '"phones"',
            '"phone"',
        ):
            try:
                rows = int(tokens[start + 4])
                cells = tokens[start + 5 : start + 5 + 3 * rows]
                triples = list(zip(cells[::3], cells[1::3], cells[2::3], strict=True))
                if len(triples) == rows:
                    return tuple(Phone(float(a), float(b), label(c[1:-1])) for a, b, c in triples)
            except ValueError:
                pass
            raise AudioError(f"{path}: the tier of phones is damaged")
    raise AudioError(f"{path}: no tier of phones")


def read_ctm(path: Path) -> dict[str, tuple[Phone, ...]]:
    """NIST CTM, a phone a line: `clip channel start duration phone ...`. Raises AudioError."""
    clips: dict[str, list[Phone]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        cells = line.split()
        if not cells or line.startswith(";;"):
            continue
        try:
            clip, _, start, seconds, name = cells[:5]
            phone = Phone(float(start), float(start) + float(seconds), label(name))
        except ValueError:
            raise AudioError(f"{path}: line {number} is not one of a CTM file") from None
        clips.setdefault(clip, []).append(phone)
    return {clip: tuple(sorted(phones)) for clip, phones in clips.items()}


def write_lines(alignments: Iterable[Alignment]) -> str:
    """A line each, times to a millisecond."""
    lines = []
    for one in alignments:
        phones = [[round(p.start, 3), round(p.end, 3), p.label] for p in one.phones]
        values = {"id": one.id, "source": one.source, "phones": phones}
        lines.append(json.dumps(values | ({"problem": one.problem} if one.problem else {})) + "\n")
    return "".join(lines)


def read_lines(path: Path) -> Iterator[Alignment]:
    """What `write_lines` wrote; a last line that was cut short is left out. Raises AudioError."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    for number, line in enumerate(lines, 1):
        if not line.endswith("\n"):
            return
        try:
            values = json.loads(line)
            phones = tuple(Phone(*phone) for phone in values["phones"])
            yield Alignment(values["id"], phones, values["source"], values.get("problem", ""))
        except (KeyError, TypeError, ValueError) as error:
            raise AudioError(f"{path}: line {number} is no alignment: {error}") from None
