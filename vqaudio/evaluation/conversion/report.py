"""The measure of speaker conversion: which pairs, what every system comes to over them."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from vqaudio.codec import Codec
from vqaudio.data.manifest import Corpus
from vqaudio.errors import VqaudioError
from vqaudio.evaluation.conversion.intervals import figure
from vqaudio.evaluation.conversion.judging import TARGET, Judge, Judged, converted
from vqaudio.evaluation.conversion.pairs import Pair, choose, sources
from vqaudio.evaluation.conversion.voices import (
    Take,
    Voices,
    check_rate,
    enough,
    glued,
    shuffled,
    takes_of,
)
from vqaudio.evaluation.metrics import METRICS

KNOWN, UNHEARD = "known", "unheard"


@dataclass(frozen=True)
class ConversionConfig:
    """pairs: of each source voice; target_seconds: that a target has in the corpus, or more;
    seconds: of a clip, at most, that are converted; english: folders whose words are judged, all
    where none is named; seed: of every choice."""

    pairs: int = 6
    target_seconds: float = 60
    seconds: float = 6
    english: tuple[str, ...] = ()
    seed: int = 0


def conversion_test(
    corpus: Corpus,
    others: Sequence[Corpus],
    codecs: dict[str, Codec],
    config: ConversionConfig,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict:
    """A report, JSON values: `groups` has, for pairs whose source the corpus knows and for those whose
    voice it never heard, figures of every system; `pairs` every judgement.

    corpus: of the speakers that models were trained on, where references come from; others: whose
    clips are converted; codecs: those that are told who speaks convert, others only restore.
    Raises VqaudioError where there is nothing to convert, or no judge.
    """
    if reason := METRICS["speaker"].missing():
        raise VqaudioError(f"voices cannot be judged: {reason}")
    for one in (corpus, *others):
        check_rate(one)
    known, heard = takes_of([corpus]), takes_of(others)
    targets, hardly_heard = enough(known, config.target_seconds)
    for codec in codecs.values():
        targets = [name for name in targets if not codec.speakers or name in codec.speakers]
    voices_of, too_short = sources(heard, known)
    pairs = choose(voices_of, targets, config.pairs, config.seed)
    if not pairs:
        raise VqaudioError(
            f"nothing to convert: {len(voices_of)} source voices, {len(targets)} targets"
        )
    judge = _judge(pairs, targets, known, heard, config)
    judged: list[Judged] = []
    done = 0
    on_progress(done, len(pairs))
    for some in judge.run(pairs, codecs, config.english):
        judged += some
        done += sum(one.system == TARGET for one in some)
        on_progress(done, len(pairs))
    groups = {
        KNOWN: [one for one in judged if one.pair.voice in known],
        UNHEARD: [one for one in judged if one.pair.voice not in known],
    }
    return {
        "pairs_per_voice": config.pairs,
        "seconds": config.seconds,
        "seed": config.seed,
        "targets": targets,
        "targets_left_out": len(hardly_heard),
        "target_seconds": config.target_seconds,
        "sources_left_out": too_short,
        "pairs_left_out": len(pairs) - done,
        "english": list(config.english),
        "words_missing": METRICS["wer"].missing(),
        "groups": {name: _figures(some) for name, some in groups.items() if some},
        "by_target": {
            name: _by_target([one for one in judged if one.system == converted(name)])
            for name, codec in codecs.items()
            if codec.speakers
        },
        "pairs": [_entry(one) for one in judged],
    }


def _judge(
    pairs: Sequence[Pair],
    targets: Sequence[str],
    known: dict[str, list[Take]],
    heard: dict[str, list[Take]],
    config: ConversionConfig,
) -> Judge:
    """Raises VqaudioError where a target is not heard besides what is judged."""
    random = np.random.default_rng(config.seed)
    real, used = {}, [pair.take for pair in pairs]
    for name in targets:
        clips = heard.get(name) or known[name]
        real[name], taken = glued(shuffled(clips, random), config.seconds)
        used += taken
    voices = Voices(known, used, config.seed)
    if silent := [name for name in targets if voices.of(name) is None]:
        raise VqaudioError(f"too little speech of {silent[0]} besides what is judged")
    return Judge(voices, real, config.seconds)


def _figures(judged: Sequence[Judged]) -> dict:
    pairs = {(one.pair.voice, one.pair.target) for one in judged}
    return {
        "pairs": len(pairs),
        "voices": len({voice for voice, _ in pairs}),
        "systems": {
            system: _of_system([one for one in judged if one.system == system])
            for system in _in_order(one.system for one in judged)
        },
    }


def _in_order(systems: Iterable[str]) -> list[str]:
    """Each once, as they come, and the other recording of the target last."""
    names = dict.fromkeys(systems)
    return [name for name in names if name != TARGET] + [TARGET]


def _of_system(judged: Sequence[Judged]) -> dict:
    sources = [one.pair.voice for one in judged]
    targets = [one.pair.target for one in judged]

    def over(values: Sequence[float], weights: Sequence[float] | None = None) -> dict:
        return figure(values, weights or [1.0] * len(judged), sources, targets)

    return {
        "success": over([one.success for one in judged]),
        "identified": over([one.identified for one in judged]),
        "to_target": over([one.to_target for one in judged]),
        "to_source": over([one.to_source for one in judged]),
        "words": over([one.words for one in judged], [one.num_words for one in judged]),
    }


def _by_target(judged: Sequence[Judged]) -> dict:
    """Of each target, how often it is met."""
    found: dict[str, dict] = {}
    for name in sorted({one.pair.target for one in judged}):
        own = [one for one in judged if one.pair.target == name]
        found[name] = {
            "pairs": len(own),
            "success": float(np.mean([one.success for one in own])),
            "to_target": float(np.mean([one.to_target for one in own])),
        }
    return found


def _entry(one: Judged) -> dict:
    return {
        "system": one.system,
        "clip": one.pair.take.clip.id,
        "source": one.pair.voice,
        "target": one.pair.target,
        "to_target": one.to_target,
        "to_source": one.to_source,
        "closest": one.closest,
        "words": None if math.isnan(one.words) else one.words,
        "num_words": one.num_words,
    }
