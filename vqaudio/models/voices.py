"""Who is to speak, and how high: what a decoder can be told beside the codes."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FURTHEST = 2.0
"""Octaves: between the lowest man and the highest child."""


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

    `pitch` [speakers] holds each speaker's median fundamental frequency as log2 of Hz, and
    `pitch_of_codes` [K + 1] weights by which a recording's is told from how often each code is in
    it, and a constant: what to raise the pitch by is then known. Both are measured after training.
    """

    def __init__(self, config: VoicesConfig, codebook_size: int):
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.speakers, config.width)
        self.rise = nn.Linear(1, config.width, bias=False)
        self.register_buffer("pitch", torch.zeros(config.speakers))
        self.register_buffer("pitch_of_codes", torch.zeros(codebook_size + 1))

    def forward(self, voice: Voice) -> Tensor:
        """[B, width]."""
        return self.embedding(voice.speaker) + self.rise(voice.octaves.unsqueeze(-1))

    def octaves_to(self, speaker: int, counts: Tensor) -> float:
        """What brings a recording to the speaker's pitch, at most FURTHEST; 0 for no recording.
        counts: [K], how often each code is in it."""
        if not counts.sum():
            return 0.0
        share = F.pad(counts.float() / counts.sum(), (0, 1), value=1.0)
        difference = self.pitch[speaker] - share.to(self.pitch.device) @ self.pitch_of_codes
        return float(difference.clamp(-FURTHEST, FURTHEST))


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
