"""vqaudio-evaluate --prior: how good priors are, on a folder of speech."""

import argparse
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vqaudio.cli.common import printable
from vqaudio.cli.numbers import above_0, whole
from vqaudio.cli.reporting import Failed, bars, check_output, write
from vqaudio.errors import VqaudioError

if TYPE_CHECKING:
    from vqaudio.codec import Codec
    from vqaudio.data.chunks import CodeCorpus
    from vqaudio.prior import Prior

DEFAULT_MODEL = "speech64"
MOST_SAMPLES = 1000
MOST_SECONDS = 60.0
MOST_TEMPERATURE = 100
ROWS = (
    *("uniform", "unigram", "bigram", "trigram", "xz", "packed"),
    *("real codes", "unigram samples", "shuffled codes"),
)
"""Names of rows that no prior may have."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "priors", "What codes of the folder cost by priors of one codec, and what these make up."
    )
    add = group.add_argument
    add(
        "--prior",
        nargs="*",
        metavar="PRIOR",
        help="measure priors instead: names or directories, of one codec (default: the packaged "
        "prior of the model)",
    )
    add(
        "--train-codes",
        metavar="DIR",
        help="codes of the training set, as vqaudio.data.encode_corpus writes them: for n-gram "
        "models, and to see what samples copy",
    )
    add(
        "--samples",
        type=whole(1, MOST_SAMPLES),
        metavar="N",
        help="samples of each prior (default: 16)",
    )
    add("--seconds", type=above_0(MOST_SECONDS), metavar="S", help="of a sample (default: 2.56)")
    add("--seed", type=whole(0), metavar="N", help="of the samples (default: 0)")
    add(
        "--temperature",
        type=above_0(MOST_TEMPERATURE),
        metavar="T",
        help="of the samples (default: 1)",
    )
    add("--top-p", type=above_0(1), metavar="P", help="of the samples (default: none)")


def check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """End with a usage error (exit 2) for options of one mode in the other."""
    if options.prior is None:
        for name in ("train_codes", "samples", "seconds", "seed", "temperature", "top_p"):
            if getattr(options, name) is not None:
                parser.error(f"--{name.replace('_', '-')} goes with --prior")
        return
    for name in ("peers", "adapter", "html", "save_audio"):
        if getattr(options, name):
            parser.error(f"--{name.replace('_', '-')} does not go with --prior")
    if len(options.model or []) > 1:
        parser.error("--prior takes one model: priors are of one codec")


def evaluate(options: argparse.Namespace) -> int:
    from vqaudio.evaluation.priors.scorecard import SampleConfig, prior_scorecard
    from vqaudio.evaluation.priors.table import prior_table

    check_output(options.output)
    codec, priors = _models(options)
    train = _train_codes(options.train_codes, codec)
    given = {
        "count": options.samples,
        "seconds": options.seconds,
        "seed": options.seed,
        "temperature": options.temperature,
        "top_p": options.top_p,
    }
    config = SampleConfig(**{key: value for key, value in given.items() if value is not None})
    passes = {
        "encoding": ("encoding", "clips"),
        "scoring": ("bits per code", "clips"),
        "weighing": ("files", "clips"),
        **{f"sampling {name}": (f"sampling {name}", "codes") for name in priors},
    }
    try:
        with bars(options, passes) as on_progress:
            report = prior_scorecard(codec, priors, options.audio_dir, train, config, on_progress)
    except VqaudioError as error:
        raise Failed(options.audio_dir, error) from error
    except OSError as error:
        raise Failed(str(error.filename or options.audio_dir), error) from error
    try:
        if options.output:
            write(options.output, json.dumps(report, indent=2, allow_nan=False) + "\n")
    finally:  # after minutes of work, an output that fails does not cost what comes before
        print(prior_table(report))
    spoilt = any(coded["restored"] < len(report["clips"]) for coded in report["coded"].values())
    return 1 if report["failed"] or spoilt else 0


def _models(options: argparse.Namespace) -> "tuple[Codec, dict[str, Prior]]":
    """The codec, and its priors under names that differ."""
    from vqaudio import pretrained
    from vqaudio.codec import load_codec
    from vqaudio.prior import load_prior

    model = next(iter(options.model or []), None)
    loaded: dict[bytes, tuple[str, Prior]] = {}

    def load(name: str) -> None:
        prior = _told(name, load_prior, name, options.device)
        called = printable(str(prior.card.get("name") or Path(name).name))
        loaded.setdefault(prior.fingerprint, (called, prior))  # the same once, whatever its name

    for name in options.prior:
        load(name)
    if model is None and loaded:
        _, first = next(iter(loaded.values()))
        model = pretrained.name_of(first.codec)
        if model is None:
            raise Failed(options.prior[0], f"its codec {first.codec.hex()} is not packaged: see -m")
    model = model or DEFAULT_MODEL
    codec = _told(model, load_codec, model, options.device)
    if not loaded:
        name = pretrained.prior_of(codec.fingerprint)
        if name is None:
            raise Failed(model, "there is no packaged prior for this model")
        load(name)
    taken = Counter([*(called for called, _ in loaded.values()), *ROWS])
    priors = {}
    for called, prior in loaded.values():
        _told(called, prior.check, codec)
        digits = f" {prior.fingerprint.hex()[:8]}" if taken[called] > 1 else ""
        priors[called + digits] = prior
    return codec, priors


def _train_codes(directory: str | None, codec: "Codec") -> "CodeCorpus | None":
    from vqaudio.data.chunks import CodeCorpus
    from vqaudio.evaluation.priors.scorecard import check_train

    if directory is None:
        return None
    train = _told(directory, CodeCorpus, directory)
    _told(directory, check_train, train, codec)
    return train


def _told(path: str, work: Callable[..., Any], *arguments: Any) -> Any:
    """What `work` returns; its faults are told of `path`."""
    try:
        return work(*arguments)
    except (VqaudioError, OSError) as error:
        raise Failed(path, error) from error
