"""Two codecs on the same clips: how far apart they are, and whether that may be chance."""

from collections.abc import Sequence

from vqaudio.evaluation.judging import Judged
from vqaudio.evaluation.metrics import METRICS
from vqaudio.evaluation.summary import statistics

FEWEST = 6
"""Clips that a verdict takes. If nothing but chance decides, five clips all favour the same codec
one time in 16, six one time in 32, which is below 5 %."""


def differences(
    names: Sequence[str], clips: Sequence[Judged], metrics: Sequence[str]
) -> dict[str, dict]:
    """{name of a codec: {metric: first codec of `names` minus this one}}, as JSON types, for every
    codec but the first.

    A difference is a dict as `statistics` gives it, of the differences on the clips that both
    have: the interval is that of a paired bootstrap, and narrower than those of the two means, as
    what is hard for one codec is mostly hard for the other. `verdict` says what it comes to for
    the first codec: "better" or "worse" where the interval is beside 0, else, and under FEWEST
    clips, "undecided"; None without a clip. Each is a test of its own: of 20 metrics and codecs
    that are equal, one is expected to come out as different.
    """
    first, *others = ([one for one in clips if one.clip.codec == name] for name in names)
    return {
        name: {metric: _difference(first, other, metric) for metric in metrics}
        for name, other in zip(names[1:], others, strict=True)
    }


def _difference(first: Sequence[Judged], other: Sequence[Judged], metric: str) -> dict:
    beside = {one.clip.path: one for one in other}
    pairs = [(one, beside[one.clip.path]) for one in first if one.clip.path in beside]
    gaps = [mine.scores[metric] - theirs.scores[metric] for mine, theirs in pairs]
    gap = statistics(gaps, [mine.weight(metric) for mine, _ in pairs])
    return {**gap, "verdict": _verdict(gap, METRICS[metric].higher_is_better)}


def _verdict(gap: dict, higher_is_better: bool) -> str | None:
    if not gap["clips"]:
        return None
    if gap["clips"] < FEWEST or gap["low"] <= 0 <= gap["high"]:
        return "undecided"
    return "better" if (gap["low"] > 0) == higher_is_better else "worse"
