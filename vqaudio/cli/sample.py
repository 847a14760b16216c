"""vqaudio-sample: speech-like sound that a prior makes up."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vqaudio.cli import common
from vqaudio.cli.numbers import above_0, whole
from vqaudio.errors import ModelError, VqaudioError
from vqaudio.files import atomic_write

if TYPE_CHECKING:
    from vqaudio.codec import Codec
    from vqaudio.codes import Codes
    from vqaudio.prior import Prior

PROG = "vqaudio-sample"
COUNT, SECONDS, TEMPERATURE = 4, 5.0, 1.0
"""What is done unless asked otherwise."""
MAX_COUNT, MAX_SECONDS, MAX_TEMPERATURE = 9999, 3600, 100
MAX_SEED = 2**63 - 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0 all done, 1 something failed; wrong usage exits with 2."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.output == "":
        parser.error("-o is empty")
    return common.guarded(PROG, lambda: _run(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROG,
        description="Make up speech-like sound: sample-0001.wav, and its codes as sample-0001.vqc, "
        "and so on. The same seed gives the same samples.",
    )
    add = parser.add_argument
    add(
        "-m",
        "--model",
        metavar="CODEC",
        help="a packaged model, or a folder with one "
        "(default: that of the prompt or the prior, else speech64)",
    )
    add(
        "--prior",
        metavar="PRIOR",
        help="a packaged prior, or a folder with one (default: the packaged one of the codec)",
    )
    add(
        "-n",
        "--count",
        type=whole(1, MAX_COUNT),
        default=COUNT,
        metavar="N",
        help="how many samples (%(default)s)",
    )
    add(
        "-s",
        "--seconds",
        type=above_0(MAX_SECONDS),
        default=SECONDS,
        metavar="SECONDS",
        help="how long each, not counting a prompt (%(default)s)",
    )
    add(
        "-t",
        "--temperature",
        type=above_0(MAX_TEMPERATURE),
        default=TEMPERATURE,
        metavar="T",
        help="below 1 more probable sound, above 1 less (%(default)s)",
    )
    add(
        "--top-k",
        type=whole(1, 2**16),
        metavar="K",
        help="draw from the K most probable codes alone",
    )
    add(
        "--top-p",
        type=above_0(1),
        metavar="P",
        help="draw from the most probable codes, of probability P together (all; below 1, samples "
        "tend to fall silent, since pauses are what is most probable)",
    )
    add("--seed", type=whole(0, MAX_SEED), default=0, help="of the random numbers (0)")
    add(
        "--prompt",
        metavar="FILE.vqc",
        help="codes of one channel to go on from: they come first in every sample",
    )
    add("--speaker", metavar="NAME", help="of a model with voices, whose to speak in")
    add("-o", "--output", default=".", metavar="DIR", help="folder for the files (this one)")
    add("-d", "--device", choices=("auto", "cpu", "cuda"), default="auto")
    add("-f", "--force", action="store_true", help="overwrite files that exist")
    add("-q", "--quiet", action="store_true", help="say nothing but errors")
    return parser


def _run(options: argparse.Namespace) -> int:
    _check_targets(options)
    subject = options.prior or "model"
    try:
        prior = _prior(options)
        subject = options.prompt
        prompt = _prompt(options.prompt, prior)
        subject = options.prior or options.model or options.prompt or "model"
        codec, prior = _models(options, prior, prompt)
        subject = options.prompt or subject
        os.makedirs(options.output, exist_ok=True)
        started = time.perf_counter()
        seconds = _sample(options, codec, prior, prompt)
    except VqaudioError as error:
        common.complain(PROG, subject, str(error))
        return 1
    if not options.quiet:
        elapsed = time.perf_counter() - started
        print(
            f"{PROG}: {options.count} sample{'s' if options.count > 1 else ''}, {seconds:.2f} s, "
            f"{seconds / elapsed:.1f} times real time",
            file=sys.stderr,
        )
    return 0


def _check_targets(options: argparse.Namespace) -> None:
    """Raise before anything slow is done for what would be in the way in the end."""
    for number in range(options.count):
        for suffix in (".wav", ".vqc"):
            path = _target(options, number, suffix)
            if not options.force and os.path.lexists(path):
                raise FileExistsError(0, "exists already (-f overwrites)", path)


def _target(options: argparse.Namespace, number: int, suffix: str) -> str:
    return os.path.join(options.output, f"sample-{number + 1:04d}{suffix}")


def _prior(options: argparse.Namespace) -> "Prior | None":
    from vqaudio.prior import load_prior

    return None if options.prior is None else load_prior(options.prior, options.device)


def _prompt(path: str | None, prior: "Prior | None") -> "Codes | None":
    """The codes of a file, which may be entropy-coded by the prior that is asked for."""
    if path is None:
        return None
    from vqaudio.container import read
    from vqaudio.entropy import EntropyCoder, packaged_coder

    def coder_for(fingerprint: bytes) -> EntropyCoder:
        is_given = prior is not None and prior.fingerprint == fingerprint
        return prior.coder() if is_given else packaged_coder(fingerprint)

    prompt = read(path, coder_for)
    if prompt.duration > MAX_SECONDS:
        raise VqaudioError(
            f"a prompt may last {MAX_SECONDS} s at most, and this lasts {prompt.duration:.0f} s"
        )
    return prompt


def _models(
    options: argparse.Namespace, prior: "Prior | None", prompt: "Codes | None"
) -> tuple["Codec", "Prior"]:
    """The codec and the prior that are asked for, or those that go with what is."""
    from vqaudio import pretrained
    from vqaudio.codec import load_codec
    from vqaudio.prior import load_prior

    name = options.model or "speech64"
    maker = prior.codec if prior else prompt.model if prompt else None
    if options.model is None and maker is not None:
        name = pretrained.name_of(maker)
        if name is None:
            what = "the prior is for" if prior else "the prompt was coded with"
            raise ModelError(f"{what} model {maker.hex()}, which is not packaged: give it with -m")
    codec = load_codec(name, options.device)
    if prior is None:
        packaged = pretrained.prior_of(codec.fingerprint)
        if packaged is None:
            raise ModelError(f"no prior is packaged for {codec.name}: give one with --prior")
        prior = load_prior(packaged, options.device)
    prior.check(codec)
    codec.check_speaker(options.speaker)  # before anything is drawn
    return codec, prior


def _sample(
    options: argparse.Namespace, codec: "Codec", prior: "Prior", prompt: "Codes | None"
) -> float:
    """Write every sample as soon as it is drawn; seconds of sound in all."""
    from vqaudio.prior import ROWS

    seconds = 0.0
    with common.bar("samples", options) as progress:
        for first in range(0, options.count, ROWS):
            count = min(ROWS, options.count - first)

            def drawn(done: int, of: int, first: int = first, count: int = count) -> None:
                sequences = first + count * done / of
                progress(sequences * options.seconds, options.count * options.seconds)

            codes = prior.sample(
                codec,
                options.seconds,
                count,
                prompt,
                options.temperature,
                options.top_k,
                options.top_p,
                options.seed,
                first,
                progress and drawn,
            )
            for number, row in enumerate(codes, first):
                _write(options, number, codec, row)
                seconds += row.duration
    return seconds


def _write(options: argparse.Namespace, number: int, codec: "Codec", codes: "Codes") -> None:
    from vqaudio.audio import AudioWriter

    wave, path = codec.decode(codes, options.speaker), _target(options, number, ".wav")
    try:
        with (
            atomic_write(path, options.force) as stream,
            AudioWriter(stream, codes.sample_rate, 1) as writer,
        ):
            writer.write(wave)
        path = _target(options, number, ".vqc")
        codes.save(path, force=options.force)
    except OSError as error:  # which names no file where a disk is full
        raise OSError(error.errno, error.strerror, path) from error


if __name__ == "__main__":
    sys.exit(main())
