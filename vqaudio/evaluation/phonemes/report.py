"""The phoneme test of codecs on a prepared corpus whose phones are known."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vqaudio.codec import Codec
from vqaudio.data.chunks import CodeCorpus
from vqaudio.data.encode_corpus import encode_corpus
from vqaudio.data.manifest import Corpus
from vqaudio.errors import VqaudioError
from vqaudio.evaluation.phonemes.alignment import SILENCE, UNKNOWN, Alignment, labels_at
from vqaudio.evaluation.phonemes.features import cluster, mfcc
from vqaudio.evaluation.phonemes.scoring import Frames, half_of, score


class Moments(NamedTuple):
    """The corpus as one codec sees it: codes, int64 [M], features, [M, D], and what they stand for."""

    codes: np.ndarray
    features: np.ndarray
    frames: Frames


def phoneme_test(
    corpus: Corpus,
    alignments: Sequence[Alignment],
    codecs: dict[str, Codec],
    codes: Path,
    seed: int = 0,
    trained_on: Corpus | None = None,
) -> dict:
    """A report, JSON values: `phones` and `speech`, with and without silence, have a list of rows
    each: name, rate (a second), num_codes, accuracy, low, high, codes_used; `training`: what the card
    of each codec says of it.

    alignments: in the order of the corpus's clips; codes: a folder where codes are kept, by name;
    trained_on: it is told how many clips are in it too, that is have the same source.
    Raises VqaudioError where less than two speakers have phones.
    """
    known = {one.id: one for one in alignments if one.phones}
    names = sorted({p.label for one in known.values() for p in one.phones} - {UNKNOWN})
    halves = half_of([clip.speaker for clip in corpus.clips if clip.id in known])
    if len(halves) < 2:
        raise VqaudioError("two speakers with phones are needed: one half teaches the other")
    report = {
        "speakers": len(halves),
        "clips": len(known),
        "clips_left_out": len(alignments) - len(known),
        "sources": sorted({one.source for one in known.values()}),
        "labels": names,
        "clips_trained_on": trained_on and _shared(corpus, known, trained_on),
        "training": {name: _training(codec.card) for name, codec in codecs.items()},
        "phones": [],
        "speech": [],
    }
    for name, codec in codecs.items():
        encode_corpus(codec, corpus, codes / name)
        moments = _moments(corpus, known, halves, names, codec, CodeCorpus(codes / name))
        for part, rows in (("phones", None), ("speech", SILENCE)):
            report[part] += _rows(name, codec, _without(moments, names, rows), seed)
        report["hours"] = round(
            len(moments.codes) * codec.model.hop / codec.model.sample_rate / 3600, 3
        )
    return report


def _shared(corpus: Corpus, known: dict[str, Alignment], other: Corpus) -> int:
    sources = {clip.sha256 for clip in other.clips}
    return sum(clip.sha256 in sources for clip in corpus.clips if clip.id in known)


def _training(card: dict) -> dict:
    """steps, hours_of_audio_heard, and of its data hours and speakers; None for what is not known."""
    known, data = card.get("training", {}), card.get("data", {})
    return {key: known.get(key) for key in ("steps", "hours_of_audio_heard")} | {
        key: data.get(key) for key in ("hours", "speakers")
    }


def _moments(
    corpus: Corpus,
    known: dict[str, Alignment],
    halves: dict[str, int],
    names: list[str],
    codec: Codec,
    coded: CodeCorpus,
) -> Moments:
    """One moment a code: the middle of the samples it stands for."""
    number = {name: n for n, name in enumerate(names)} | {UNKNOWN: -1}
    voice = {speaker: n for n, speaker in enumerate(sorted(halves))}
    codes, features, phones, speakers, sides = [], [], [], [], []
    for clip, indices in zip(corpus.clips, coded.clips, strict=True):
        if clip.id not in known:
            continue
        times = (np.arange(len(indices)) + 0.5) * codec.model.hop / codec.model.sample_rate
        labels = np.array([number[name] for name in labels_at(known[clip.id].phones, times)])
        kept = (labels >= 0) & (times < clip.num_samples / clip.sample_rate)
        if not kept.any():
            continue
        codes.append(indices[kept].astype(np.int64))
        phones.append(labels[kept])
        features.append(mfcc(corpus.samples(clip), clip.sample_rate, times[kept]))
        speakers.append(np.full(kept.sum(), voice[clip.speaker]))
        sides.append(np.full(kept.sum(), halves[clip.speaker]))
    frames = Frames(*(np.concatenate(parts) for parts in (phones, speakers, sides)))
    return Moments(np.concatenate(codes), np.concatenate(features), frames)


def _without(moments: Moments, names: list[str], left_out: str | None) -> Moments:
    if left_out not in names:
        return moments
    kept = moments.frames.phones != names.index(left_out)
    return Moments(moments.codes[kept], moments.features[kept], moments.frames.only(kept))


def _rows(name: str, codec: Codec, moments: Moments, seed: int) -> list[dict]:
    size, frames = codec.model.codebook_size, moments.frames
    if len(set(frames.halves)) < 2:
        raise VqaudioError("one half of the speakers has no phones")
    drawn = np.random.default_rng(seed).integers(size, size=len(moments.codes))
    nothing = np.zeros_like(moments.codes)
    systems = {
        name: (moments.codes,) * 2,
        f"k-means on MFCC ({size})": cluster(moments.features, frames.halves, size, seed),
        f"random codes ({size})": (drawn,) * 2,
        "always the most frequent": (nothing,) * 2,
    }
    rate = codec.model.sample_rate / codec.model.hop
    return [
        {
            "name": row,
            "codec": name,
            "rate": rate,
            "num_codes": 1 if codes[0] is nothing else size,
            "moments": len(codes[0]),
            **score(codes, size, frames, seed),
        }
        for row, codes in systems.items()
    ]


def phoneme_table(report: dict) -> str:
    """A line a system, for the terminal or, with its bars, for Markdown."""
    head = ["codes", "a second", "phones right, %", "95 %", "without silence, %", "95 %", "in use"]
    rows = [head, ["---"] + ["---:"] * (len(head) - 1)]
    for one, speech in zip(report["phones"], report["speech"], strict=True):
        cells = [one["name"], f"{one['rate']:g}"]
        for told in (one, speech):
            cells.append(f"{100 * told['accuracy']:.1f}")
            cells.append(f"{100 * told['low']:.1f}..{100 * told['high']:.1f}")
        rows.append([*cells, f"{one['codes_used']}"])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    said = {
        "given": "alignments that came with the corpus",
        "transcript": "transcripts, aligned by PocketSphinx",
        "recogniser": "what a recogniser heard (there was no transcript), aligned by PocketSphinx",
    }
    told = " and ".join(said.get(source, source) for source in report["sources"])
    notes = [
        f"{len(report['labels'])} phones of {told}; {report['speakers']} speakers, "
        f"{report['clips']} clips, {report['hours']:.2f} h",
        "each half of the speakers is scored with the phones that the codes had in the other half",
    ]
    notes += [
        f"{name}: {told['steps']} steps, {told['hours_of_audio_heard']} h heard of the "
        f"{told['hours']} h that {told['speakers']} speakers said"
        for name, told in report["training"].items()
        if None not in told.values()
    ]
    if (shared := report["clips_trained_on"]) is not None:
        notes.append(
            f"the sound of {shared} of the {report['clips']} clips is in the data that was trained on"
            + (", what is said in it is not" if shared else "")
        )
    if left := report["clips_left_out"]:
        notes.append(f"{left} clip{'' if left == 1 else 's'} without phones left out")
    return "\n".join([*lines, "", *notes])
