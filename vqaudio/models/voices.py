"""Who is to speak, and how high: what a decoder can be told beside the codes."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vqaudio.models.convnext import ConvNeXtBlock

LOWEST, HIGHEST = 5.5, 9.5
"""Pitches that are told apart, as log2 of Hz: 45 to 724 Hz."""
BINS = 192
"""Steps between them, of a quarter of a semitone."""
FURTHEST = 2.0
"""Octaves that a recording is raised or lowered by at most, to be at a speaker's pitch."""


@dataclass(frozen=True)
class VoicesConfig:
    """`speakers`: how many the decoder can be told, 0 for a decoder that is not told; `width`: of what
    they are told by. Narrow, so that speakers who say little share what is learned of the others."""

    speakers: int = 0
    width: int = 64

    def __post_init__(self):
        if self.speakers < 0 or self.width < 1:
            raise ValueError("voices: speakers must be at least 0, width at least 1")


class Voice(NamedTuple):
    """speaker: int64 [B]; octaves: float32 [B], what the pitch in the codes is to be raised by."""

    speaker: Tensor
    octaves: Tensor


class Voices(nn.Module):
    """A speaker's embedding, which is what a one-hot vector times a matrix is (van den Oord et al.
    2017, section 4.3), and a direction in which the pitch goes up.

    So that a recording can be brought to a speaker's pitch, `pitch` [speakers] holds the median of
    each, as log2 of Hz, and a PitchListener hears the recording's in its codes. Both come after the
    training of the codec (`vqaudio.training.voice_pitch`), which leaves them as they are.
    """

    def __init__(self, config: VoicesConfig, code_width: int):
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.speakers, config.width)
        self.rise = nn.Linear(1, config.width, bias=False)
        self.register_buffer("pitch", torch.zeros(config.speakers))
        self.listener = PitchListener(code_width).requires_grad_(False)

    def forward(self, voice: Voice) -> Tensor:
        """[B, width]."""
        return self.embedding(voice.speaker) + self.rise(voice.octaves.unsqueeze(-1))

    @torch.no_grad()
    def emphasise(self, speakers: int, factor: float) -> None:
        """Move the embeddings of the first `speakers` away from their mean: voices that differ more
        than those that were learned, as a guidance scale does for diffusion models."""
        known = self.embedding.weight[:speakers]
        known.lerp_(known.mean(0).expand_as(known), 1 - factor)

    def octaves_to(self, speaker: int, pitches: Tensor) -> float:
        """What brings a recording to the speaker's pitch, at most FURTHEST; 0 for one without a voice.
        pitches: int64 [BINS], how often each is heard in it."""
        if not pitches.any():
            return 0.0
        return min(max(float(self.pitch[speaker]) - median(pitches), -FURTHEST), FURTHEST)


class PitchListener(nn.Module):
    """Hears the fundamental frequency in code vectors [B, N, D]: its log2 in Hz, [B, N], and how sure
    it is that there is a voice, logits [B, N].

    A code of 4 ms is shorter than a period of most voices: it takes neighbours to hear one.
    """

    def __init__(self, code_width: int, width: int = 64, blocks: int = 3, kernel: int = 15):
        super().__init__()
        self.embed = nn.Linear(code_width, width)
        self.blocks = nn.Sequential(*(ConvNeXtBlock(width, kernel) for _ in range(blocks)))
        self.project = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2))

    def forward(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        height, voiced = self.project(self.blocks(self.embed(vectors))).unbind(-1)
        return (LOWEST + HIGHEST) / 2 + height, voiced

    def heard(self, vectors: Tensor) -> Tensor:
        """How often each pitch is: int64 [B, BINS], on the CPU."""
        height, voiced = self(vectors)
        bins = ((height - LOWEST) * BINS / (HIGHEST - LOWEST)).long().clamp(0, BINS - 1)
        rows = zip(bins.cpu(), (voiced > 0).cpu(), strict=True)
        return torch.stack([torch.bincount(row[sure], minlength=BINS) for row, sure in rows])


def median(pitches: Tensor) -> float:
    """log2 of Hz. pitches: int64 [BINS], how often each is, not all 0."""
    middle = int((pitches.cumsum(0) * 2 >= pitches.sum()).int().argmax())
    return LOWEST + (middle + 0.5) * (HIGHEST - LOWEST) / BINS


class Modulation(nn.Module):
    """What is told, as a factor and a summand for each channel after a normalisation (Perez et al. 2018,
    *FiLM*): [B, width] -> two of [B, 1, channels]. None at first."""

    def __init__(self, width: int, channels: int):
        super().__init__()
        self.project = nn.Linear(width, 2 * channels)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def forward(self, told: Tensor) -> tuple[Tensor, Tensor]:
        factor, summand = self.project(told).unsqueeze(1).chunk(2, dim=-1)
        return 1 + factor, summand
