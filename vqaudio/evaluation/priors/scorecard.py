"""Priors of one codec on one folder of speech: bits per code, real files, and what they make up."""

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from vqaudio import audio
from vqaudio.codec import Codec
from vqaudio.data.chunks import CodeCorpus
from vqaudio.errors import ModelError, VqaudioError
from vqaudio.evaluation.coding import Progress
from vqaudio.evaluation.priors import samples
from vqaudio.evaluation.priors.clips import CodedClip, encode_all
from vqaudio.evaluation.priors.files import weigh, weight_summary
from vqaudio.evaluation.priors.scores import (
    Bits,
    as_codes,
    ngram_bits,
    prior_bits,
    score,
    score_summary,
)
from vqaudio.evaluation.provenance import hash_files, machine, versions
from vqaudio.prior import Prior

PACKAGES = ("vqaudio", "torch", "numpy", "constriction")
"""Whose versions a report tells."""
REAL, UNIGRAM, SHUFFLED = "real codes", "unigram samples", "shuffled codes"


@dataclass(frozen=True)
class SampleConfig:
    """`count` samples of `seconds` each by every prior; see `Prior.sample` for the others."""

    count: int = 16
    seconds: float = 2.56
    seed: int = 0
    temperature: float = 1.0
    top_p: float | None = None


def prior_scorecard(
    codec: Codec,
    priors: Mapping[str, Prior],
    directory: str | os.PathLike,
    train: CodeCorpus | None = None,
    config: SampleConfig | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> dict:
    """Score priors, by name, on every clip below `directory`; a report of JSON types.

    train: codes of the same codec that the n-gram models are fitted on, and that no sample should
    have been copied from; without them there are no such figures, and samples are compared with the
    clips. VqaudioError when there is nothing to score, or a prior or `train` is of another codec;
    OSError when there is no such folder.
    """
    config = config or SampleConfig()
    size = codec.model.codebook_size
    for prior in priors.values():
        prior.check(codec)
    if train is not None:
        check_train(train, codec)
    directory, paths = Path(directory), audio.find(directory)
    if not paths:
        raise VqaudioError("no audio files in this folder")
    digest = hash_files(directory, paths)
    clips, failures = encode_all(codec, directory, paths, on_progress)
    if not clips:
        raise VqaudioError("no file in this folder can be coded")

    learned = {name: prior_bits(prior) for name, prior in priors.items()}
    counted = ngram_bits(train, size) if train else {}
    costs = score(clips, {**counted, **learned}, on_progress)
    exact = {n: (prior.coder(), learned[n]) for n, prior in priors.items() if prior.exact}
    files = weigh(clips, exact, on_progress)
    return {
        "files": {"count": len(paths), "sha256": digest},
        "machine": machine(),
        "versions": versions(PACKAGES),
        "codec": {
            "name": codec.name,
            "codebook_size": size,
            "bits": clips[0].codes.bits_per_code,
            "codes_per_second": codec.model.sample_rate / codec.model.hop,
        },
        "train": {"codes": train.num_codes, "clips": len(train.clips)} if train else None,
        "priors": {name: _about(prior) for name, prior in priors.items()},
        "seconds": sum(clip.codes.duration for clip in clips),
        "codes": sum(clip.num_codes for clip in clips),
        "bits_per_code": score_summary(clips, costs),
        "coded": weight_summary(clips, files),
        "clips": [
            {
                "path": clip.path,
                "seconds": clip.codes.duration,
                "codes": clip.num_codes,
                "bits_per_code": {name: values[n] for name, values in costs.items()},
                "files": {name: some[n] for name, some in files.items()},
            }
            for n, clip in enumerate(clips)
        ],
        "samples": _samples(
            codec, priors, clips, train, config, {**counted, **learned}, on_progress
        ),
        "failed": [failure._asdict() for failure in failures],
    }


def check_train(train: CodeCorpus, codec: Codec) -> None:
    """Raise ModelError unless these are codes of this codec."""
    if train.fingerprint != codec.fingerprint:
        made = train.fingerprint.hex()
        raise ModelError(f"the training codes are of codec {made}, and this is {codec.name}")
    train.check(codec.model.codebook_size)


def _about(prior: Prior) -> dict:
    return {
        "name": prior.name,
        "exact": prior.exact,
        "receptive_field": prior.model.receptive_field,
        "device": str(prior.device),
    }


def _samples(
    codec: Codec,
    priors: Mapping[str, Prior],
    clips: list[CodedClip],
    train: CodeCorpus | None,
    config: SampleConfig,
    models: Mapping[str, Bits],
    on_progress: Callable[[Progress], None],
) -> dict:
    """Rows of the same size: what each prior makes up, crops of the clips, and what has only the
    frequencies of codes right. Judges are all models that look at what comes before a code; a prior
    is not judged by itself."""
    rows = {}
    for name, prior in priors.items():

        def progress(done: int, total: int, name: str = name) -> None:
            on_progress(Progress(f"sampling {name}", done, total))

        rows[name] = prior.sample(
            codec,
            config.seconds,
            config.count,
            temperature=config.temperature,
            top_p=config.top_p,
            seed=config.seed,
            progress=progress,
        )
    real = [clip.codes.indices[0].numpy() for clip in clips]
    reference = samples.Reference(train.clips if train else real, codec.model.codebook_size)
    shape = next(iter(rows.values())).indices.shape
    crops = samples.real_crops(real, *shape, config.seed)
    others = {
        REAL: crops,
        UNIGRAM: samples.unigram_samples(reference.codes, *shape, config.seed),
        SHUFFLED: samples.shuffled(crops, config.seed),
    }
    rows |= {name: as_codes(other, clips[0].codes) for name, other in others.items()}
    judges = {name: bits for name, bits in models.items() if name != "unigram"}
    told = {}
    for name, codes in rows.items():
        fair = {judge: bits for judge, bits in judges.items() if judge != name}
        told[name] = samples.describe(codes, reference, fair)
        told[name]["copied"] = None
        if train:
            told[name]["copied"] = samples.copied(
                codes.indices.numpy(), train.clips, codec.model.codebook_size
            )
    return {
        **asdict(config),
        "codes": shape[1],
        "gram": samples.GRAM,
        "reference": "training codes" if train else "these clips",
        "judges": list(judges),
        "rows": told,
    }
