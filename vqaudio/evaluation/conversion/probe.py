"""How well the speaker can be told from codes alone: by a linear classifier of how often codes come.

The paper's claim is that the codes keep what is said and leave who says it to the decoder. Here the
codes of short stretches are counted, and a logistic regression learns whose they are from some clips,
and is tested on other clips of the same speakers. (Counting pairs of codes too tells no more.)
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

from vqaudio.codec import Codec
from vqaudio.data.manifest import Corpus
from vqaudio.errors import VqaudioError
from vqaudio.evaluation.conversion.intervals import figure
from vqaudio.evaluation.conversion.judging import is_under
from vqaudio.evaluation.conversion.stretches import Stretch, stretches_of
from vqaudio.evaluation.conversion.voices import check_rate, enough, takes_of
from vqaudio.evaluation.metrics import METRICS, SAMPLE_RATE
from vqaudio.evaluation.metrics.speaker import embedding
from vqaudio.evaluation.phonemes.features import FITTED, k_means, mfcc

BATCH = 32
"""Stretches that are coded at once."""
STRENGTH = 100.0
"""Inverse of the regularisation: from 10 to 1000 the speaker is told as well."""
EVERYBODY, ENGLISH = "all", "english"


@dataclass(frozen=True)
class ProbeConfig:
    """seconds: of a stretch; stretches: of each speaker, at most, a third for the test;
    speaker_seconds: of a speaker in the corpus, or more; english: folders of speakers who make a test
    of their own, as languages may be told apart where voices are not; seed: of every choice."""

    seconds: float = 3
    stretches: int = 60
    speaker_seconds: float = 60
    english: tuple[str, ...] = ()
    seed: int = 0


def probe(
    corpus: Corpus,
    codecs: dict[str, Codec],
    config: ProbeConfig,
    on_progress: Callable[[str], None] = lambda name: None,
) -> dict:
    """A report, JSON values: `groups` has, for all speakers and for the English, rows of what they
    were told from, with accuracy. on_progress: called with the name of what is done.

    Beside each codec's codes stand those of k-means on MFCC, of as many and as often; the most
    frequent speaker; and Resemblyzer's embedding of the sound. Raises VqaudioError where less than
    two speakers say enough.
    """
    check_rate(corpus)
    takes = takes_of([corpus])
    names, others = enough(takes, config.speaker_seconds)
    stretches = stretches_of(
        {name: takes[name] for name in names},
        config.seconds,
        config.stretches,
        config.seed,
    )
    groups = {EVERYBODY: range(len(stretches))}
    if config.english:
        groups[ENGLISH] = [
            number for number, one in enumerate(stretches) if is_under(one.speaker, config.english)
        ]
    for name, numbers in groups.items():
        some = [stretches[number] for number in numbers]
        if len({one.speaker for one in some if one.taught}) < 2 or all(one.taught for one in some):
            raise VqaudioError(
                f"two speakers ({name}) with {config.speaker_seconds:g} s or more are needed"
            )
    report: dict = {
        "seconds": config.seconds,
        "speaker_seconds": config.speaker_seconds,
        "speakers_left_out": len(others),
        "seed": config.seed,
        "groups": {name: _about(numbers, stretches) for name, numbers in groups.items()},
    }
    for row, rate, features in _systems(stretches, codecs, config.seed):
        for name, numbers in groups.items():
            told = _accuracy(features[list(numbers)], [stretches[number] for number in numbers])
            report["groups"][name]["rows"].append({"name": row, "rate": rate, "accuracy": told})
        on_progress(row)
    return report


def _about(numbers: Sequence[int], stretches: Sequence[Stretch]) -> dict:
    some = [stretches[number] for number in numbers]
    tested = [one for one in some if not one.taught]
    return {
        "speakers": len({one.speaker for one in some}),
        "taught": len(some) - len(tested),
        "tested": len(tested),
        "clips": len({one.clip for one in tested}),
        "rows": [],
    }


def _systems(
    stretches: Sequence[Stretch], codecs: dict[str, Codec], seed: int
) -> Iterator[tuple[str, float | None, np.ndarray]]:
    """What the speaker is told from: name, codes a second if any, features [stretches, D]."""
    terms: dict[tuple[int, int], None] = {}
    for name, codec in codecs.items():
        size, hop = codec.model.codebook_size, codec.model.hop
        codes = np.concatenate(list(_coded(codec, stretches)))
        yield f"codes of {name}", SAMPLE_RATE / hop, counts(codes, size)
        terms[size, hop] = None
    for size, hop in terms:
        codes = _mfcc_codes(stretches, size, hop, seed)
        yield f"k-means on MFCC ({size})", SAMPLE_RATE / hop, counts(codes, size)
    if METRICS["speaker"].missing() is None:
        found = [embedding(one.wave()) for one in stretches]
        nothing = np.zeros(256, np.float32)
        heard = np.stack([nothing if one is None else one for one in found])
        yield "the sound, by Resemblyzer", None, heard
    yield "nothing: the most frequent", None, np.zeros((len(stretches), 1))


def _coded(codec: Codec, stretches: Sequence[Stretch]) -> Iterator[np.ndarray]:
    for start in range(0, len(stretches), BATCH):
        waves = np.stack([one.wave() for one in stretches[start : start + BATCH]])
        yield codec.encode(waves, SAMPLE_RATE).indices.cpu().numpy()


def _mfcc_codes(stretches: Sequence[Stretch], size: int, hop: int, seed: int) -> np.ndarray:
    """Fitted on what teaches. int64 [stretches, codes]."""
    length = round(stretches[0].wave().size / hop)
    moments = (np.arange(length) + 0.5) * hop / SAMPLE_RATE
    features = [mfcc(one.wave(), SAMPLE_RATE, moments) for one in stretches]
    teach = [found for found, one in zip(features, stretches, strict=True) if one.taught]
    each = max(FITTED // len(teach), 1)
    random = np.random.default_rng(seed)
    sample = np.concatenate([random.permutation(found)[:each] for found in teach])
    mean, scale = sample.mean(axis=0), sample.std(axis=0) + 1e-6
    means = k_means((sample - mean) / scale, size, seed)
    return np.stack([means.predict((found - mean) / scale) for found in features])


def counts(codes: np.ndarray, size: int) -> np.ndarray:
    """Square roots of how often each code comes, float32 [stretches, size]: vectors of length 1."""
    found = np.zeros((len(codes), size), np.float32)
    np.add.at(found, (np.arange(len(codes))[:, None], codes), 1)
    return np.sqrt(found / codes.shape[1])


def _accuracy(features: np.ndarray, stretches: Sequence[Stretch]) -> dict:
    speakers = np.array([one.speaker for one in stretches])
    taught = np.array([one.taught for one in stretches])
    classifier = LogisticRegression(C=STRENGTH, max_iter=1000)
    classifier.fit(features[taught], speakers[taught])
    right = classifier.predict(features[~taught]) == speakers[~taught]
    clips = [one.clip for one in stretches if not one.taught]
    return figure(right, np.ones(len(right)), clips)
