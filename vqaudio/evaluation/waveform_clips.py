"""Recordings through the paper's model: codes, what samples cost, and samples drawn from the codes."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from vqaudio import audio
from vqaudio.errors import AudioError, ModelError
from vqaudio.evaluation.metrics import METRICS, SAMPLE_RATE
from vqaudio.evaluation.waveform_bits import SampleBits, sample_bits
from vqaudio.level import LevelMeter, gain_for
from vqaudio.models.waveform_vqvae import WaveformVQVAE

Drawn = Callable[[float, float], None]
"""Called with how many seconds of sound are drawn, and of how many."""


class Clip(NamedTuple):
    """wave: float32 [T] as the model hears it, `gain` times as loud as recorded; indices: int64
    [1, T / hop]; speaker: int64 [1], whose voice the decoder is told, or None; both on the device."""

    wave: Tensor
    gain: float
    indices: Tensor
    speaker: Tensor | None


def read_clip(
    path: str | os.PathLike, sample_rate: int, hop: int, seconds: float
) -> tuple[Tensor, float]:
    """The first `seconds` of a sound file, or all there is, cut to whole codes: float32 [T] at the
    level that models work at, and the gain that brought it there. Raises AudioError, OSError."""
    wave, rate = audio.read(path)
    resampler = audio.Resampler(rate, sample_rate, channels=1)
    mono = torch.cat([resampler.push(audio.to_mono(wave)), resampler.flush()], dim=1)
    meter = LevelMeter(sample_rate, channels=1)
    meter.update(mono)
    length = min(mono.shape[1], round(seconds * sample_rate)) // hop * hop
    if not length:
        raise AudioError(f"shorter than a code, {hop} samples at {sample_rate} Hz")
    gain = gain_for(meter.levels()[0])
    return gain * mono[0, :length], gain


def speaker_in(path: str | os.PathLike, speakers: Sequence[str]) -> str | None:
    """The one of `speakers` whose name the folders of a file end with, as those of a prepared folder
    do; the longest, None if there is none."""
    folder = Path(os.path.abspath(path)).parent.as_posix()
    fitting = [name for name in speakers if f"{folder}/".endswith(f"/{name}/")]
    return max(fitting, key=len, default=None)


@torch.inference_mode()
def encode(
    model: WaveformVQVAE, wave: Tensor, gain: float, speakers: Sequence[str], speaker: str | None
) -> Clip:
    """speakers: of the model, none for a decoder that is not told. Raises ModelError for a speaker whom
    it does not know, and for None where it needs one."""
    device = model.quantizer.codebook.device
    told = None
    if speakers:
        if speaker not in speakers:
            who = "nobody is named" if speaker is None else f"{speaker} is not one of them"
            raise ModelError(f"the decoder knows {len(speakers)} speakers, and {who}")
        told = torch.tensor([speakers.index(speaker)], device=device)
    elif speaker is not None:
        raise ModelError("the decoder is not told who speaks")
    return Clip(wave, gain, model.encode(wave.to(device)[None]), told)


def bits_of(model: WaveformVQVAE, clip: Clip, seed: int) -> SampleBits:
    vectors = model.quantizer.lookup(clip.indices)
    return sample_bits(model, clip.wave.to(vectors.device), vectors, clip.speaker, seed)


def score(clip: Clip, drawn: Tensor, sample_rate: int) -> dict[str, float]:
    """What the metrics that are installed say of `drawn`, float32 [T], beside the recording; nan where
    one is not defined. Raises ModelError for a model of another rate than theirs."""
    if sample_rate != SAMPLE_RATE:
        raise ModelError(
            f"what is drawn at {sample_rate} Hz cannot be judged: {SAMPLE_RATE} Hz can"
        )
    original, drawn = (clip.wave / clip.gain).numpy(), drawn.numpy()
    present = {name: metric for name, metric in METRICS.items() if metric.missing() is None}
    return {name: metric.score(original, drawn)[0] for name, metric in present.items()}


@torch.inference_mode()
def draw(
    model: WaveformVQVAE,
    clips: Sequence[Clip],
    seed: int,
    temperature: float,
    rows: int,
    progress: Drawn | None = None,
) -> Iterator[tuple[int, Tensor]]:
    """(number, wave float32 [T] as loud as recorded) of each clip, the shortest first, `rows` at a time.

    What a clip becomes depends on the seed, not on the clips beside it, but for rounding.
    """
    order = sorted(range(len(clips)), key=lambda i: len(clips[i].wave))
    done, total = 0.0, sum(len(clip.wave) for clip in clips) / model.sample_rate
    for first in range(0, len(order), rows):
        numbers = order[first : first + rows]
        conditions = [
            model.decoder.condition(model.quantizer.lookup(clips[i].indices), clips[i].speaker)
            for i in numbers
        ]
        longest = max(c.shape[1] for c in conditions)
        padded = torch.cat([F.pad(c, (0, 0, 0, longest - c.shape[1])) for c in conditions])
        seconds = sum(len(clips[i].wave) for i in numbers) / model.sample_rate

        def tell(codes: int, of: int, done: float = done, seconds: float = seconds) -> None:
            progress(done + seconds * codes / of, total)

        waves = model.decoder.sample_conditioned(
            padded,
            [torch.Generator().manual_seed(seed) for _ in numbers],
            temperature,
            progress and tell,
        )
        done += seconds
        for i, wave in zip(numbers, waves.cpu(), strict=True):
            yield i, wave[: len(clips[i].wave)] / clips[i].gain
