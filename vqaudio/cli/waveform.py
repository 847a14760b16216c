"""python -m vqaudio.cli.waveform MODEL INPUT... -o DIR: recordings through the paper's WaveNet decoder.

MODEL is a folder that vqaudio.training.export_waveform made. DIR gets the recordings as far as they
were coded (NAME.original.wav), what the decoder draws from their codes (NAME.decoded.wav), and
report.json: what samples cost it told the codes, the codes shuffled, and none.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from vqaudio.cli import common
from vqaudio.cli.numbers import above_0, whole
from vqaudio.cli.sample import MAX_SEED, MAX_TEMPERATURE
from vqaudio.errors import ModelError, VqaudioError
from vqaudio.files import atomic_write

if TYPE_CHECKING:
    from vqaudio.evaluation.waveform_clips import Clip
    from vqaudio.evaluation.waveform_report import Drawing, Judged
    from vqaudio.models.waveform_vqvae import WaveformVQVAE

PROG = "waveform"
SECONDS, MAX_SECONDS = 5.0, 60
ROWS = 16
_KINDS = ("original", "decoded")
"""Of the sound files of a recording: as far as it was coded, and drawn from its codes."""


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0 all done, 1 something failed; wrong usage exits with 2."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.output == "":
        parser.error("-o is empty")
    if common.PIPE in (*options.inputs, options.output):
        parser.error("standard input and output are of no use here")
    return common.guarded(PROG, lambda: _run(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROG,
        description="Recordings through the paper's WaveNet decoder: what samples cost it told the "
        "codes and not, and the samples that it draws from them.",
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help="a folder that vqaudio.training.export_waveform made")
    add("inputs", nargs="+", metavar="INPUT", help="a sound file, or a folder of them")
    add("-o", "--output", required=True, metavar="DIR", help="folder for sound and report.json")
    add(
        "--speaker",
        metavar="NAME",
        help="whose voice to speak with (default: the speaker of the model whose name the folders of "
        "a file end with)",
    )
    add(
        "-s",
        "--seconds",
        type=above_0(MAX_SECONDS),
        default=SECONDS,
        metavar="SECONDS",
        help="of each recording at most (%(default)s)",
    )
    add(
        "--draw",
        type=whole(0),
        metavar="N",
        help="draw the samples of the first N recordings alone (all; it takes longest)",
    )
    add("--judge", action="store_true", help="measure what is drawn as vqaudio-evaluate does")
    add(
        "-t",
        "--temperature",
        type=above_0(MAX_TEMPERATURE),
        default=1.0,
        metavar="T",
        help="below 1 more probable samples, above 1 less (%(default)s)",
    )
    add("--seed", type=whole(0, MAX_SEED), default=0, help="of the random numbers (0)")
    add("--rows", type=whole(1), default=ROWS, help="recordings drawn side by side (%(default)s)")
    add("-d", "--device", choices=("auto", "cpu", "cuda"), default="auto")
    add("-f", "--force", action="store_true", help="overwrite files that exist")
    add("-q", "--quiet", action="store_true", help="say nothing but errors and the table")
    return parser


def _run(options: argparse.Namespace) -> int:
    from vqaudio.device import find_device
    from vqaudio.evaluation.metrics import SAMPLE_RATE
    from vqaudio.evaluation.waveform_report import report, table
    from vqaudio.training.export_waveform import read

    sources = _sources(options.inputs)
    _check_targets(options, sources)
    try:
        device = find_device(options.device)
        model, card = read(options.model)
        if options.judge and model.sample_rate != SAMPLE_RATE:
            raise ModelError(f"--judge is for models at {SAMPLE_RATE} Hz, not {model.sample_rate}")
    except VqaudioError as error:
        common.complain(PROG, options.model, str(error))
        return 1
    clips = _code(options, model.to(device), card["speakers"], sources)
    if not clips:
        return 1
    os.makedirs(options.output, exist_ok=True)
    judged = _judge(options, model, card["speakers"], clips)
    scores, drawing = _draw(options, model, clips)
    values = report(card, judged, drawing, scores)
    values |= {"seed": options.seed, "temperature": options.temperature}
    with atomic_write(_report(options), options.force) as stream:
        stream.write((json.dumps(values, indent=2, ensure_ascii=False) + "\n").encode())
    print(table(values))
    return 0 if len(clips) == len(sources) else 1


def _sources(inputs: list[str]) -> dict[str, Path]:
    """Sound files by what they are called in the results: by their paths from the folder given.

    Raises OSError for a folder that cannot be read, or where names are not distinct.
    """
    from vqaudio.audio import find

    found: dict[str, Path] = {}
    for given in map(Path, inputs):
        files = find(given) if given.is_dir() else [given]
        if not files:
            raise OSError(0, "no sound files in this folder", os.fspath(given))
        for path in files:
            name = path.relative_to(given if given.is_dir() else given.parent)
            name = name.with_suffix("").as_posix()
            if found.setdefault(name, path) != path:
                raise OSError(0, f"would be called {name} as {found[name]} is", os.fspath(path))
    return found


def _check_targets(options: argparse.Namespace, sources: dict[str, Path]) -> None:
    """Raise before anything slow is done for what would be in the way in the end."""
    for path in [*(_wave(options, n, k) for n in sources for k in _KINDS), _report(options)]:
        if not options.force and os.path.lexists(path):
            raise FileExistsError(0, "exists already (-f overwrites)", path)


def _wave(options: argparse.Namespace, name: str, kind: str) -> str:
    return os.path.join(options.output, f"{name}.{kind}.wav")


def _report(options: argparse.Namespace) -> str:
    return os.path.join(options.output, "report.json")


def _code(
    options: argparse.Namespace,
    model: "WaveformVQVAE",
    speakers: list[str],
    sources: dict[str, Path],
) -> dict[str, "Clip"]:
    """What can be coded, by name; what cannot is told."""
    from vqaudio.evaluation.waveform_clips import encode, read_clip, speaker_in

    clips = {}
    for name, path in sources.items():
        try:
            speaker = options.speaker or speaker_in(path, speakers)
            wave, gain = read_clip(path, model.sample_rate, model.hop, options.seconds)
            clips[name] = encode(model, wave, gain, speakers, speaker)
        except VqaudioError as error:
            common.complain(PROG, os.fspath(path), str(error))
        except OSError as error:
            common.complain(PROG, os.fspath(path), error.strerror or str(error))
    return clips


def _draw(
    options: argparse.Namespace, model: "WaveformVQVAE", clips: dict[str, "Clip"]
) -> "tuple[dict[str, dict[str, float]], Drawing | None]":
    """Write what was coded and what is drawn from the codes, each as soon as it is there; what the
    metrics say, by name of the clip, and how long drawing took."""
    import torch

    from vqaudio.audio import write
    from vqaudio.evaluation.waveform_clips import draw, score
    from vqaudio.evaluation.waveform_report import Drawing

    names = list(clips)[: options.draw]
    if not names:
        return {}, None
    chosen = [clips[name] for name in names]
    with common.bar("samples", options) as progress:
        scores, taken, started = {}, [0.0, 0.0], _clocks()
        drawn = draw(model, chosen, options.seed, options.temperature, options.rows, progress)
        for number, wave in drawn:
            taken = [t + now - then for t, now, then in zip(taken, _clocks(), started, strict=True)]
            name, clip = names[number], chosen[number]
            for kind, sound in zip(_KINDS, (clip.wave / clip.gain, wave), strict=True):
                path = _wave(options, name, kind)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                write(path, sound, model.sample_rate, options.force)
            if options.judge:
                scores[name] = score(clip, wave, model.sample_rate)
            started = _clocks()
    seconds = sum(len(clip.wave) for clip in chosen) / model.sample_rate
    rows = min(options.rows, len(chosen))
    device = model.quantizer.codebook.device.type
    return scores, Drawing(seconds, *taken, rows, device, torch.get_num_threads())


def _clocks() -> tuple[float, float]:
    """On the wall, and of this process at work."""
    return time.perf_counter(), time.process_time()


def _judge(
    options: argparse.Namespace,
    model: "WaveformVQVAE",
    speakers: list[str],
    clips: dict[str, "Clip"],
) -> list["Judged"]:
    from vqaudio.evaluation.waveform_clips import bits_of
    from vqaudio.evaluation.waveform_report import Judged

    judged = []
    for name, clip in clips.items():
        speaker = None if clip.speaker is None else speakers[int(clip.speaker)]
        seconds = len(clip.wave) / model.sample_rate
        bits = bits_of(model, clip, options.seed)
        judged.append(Judged(name, speaker, seconds, clip.indices.shape[1], bits))
    return judged


if __name__ == "__main__":
    sys.exit(main())
