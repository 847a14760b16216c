"""A small codec with voices: random weights that hear a difference between speakers and pitches."""

from dataclasses import replace

import torch

from tests.small import SMALL, small_model
from vqaudio.codec import Codec
from vqaudio.models.voices import VoicesConfig

VOICES = replace(SMALL, voices=VoicesConfig(speakers=3, width=8))
SPEAKERS = ("anna", "ben/one", "cleo")


@torch.no_grad()
def small_voices(seed: int = 0) -> Codec:
    model = small_model(seed, VOICES)
    generator = torch.Generator().manual_seed(seed)
    for modulation in model.decoder.modulations:
        modulation.project.weight.copy_(
            0.3 * torch.randn(modulation.project.weight.shape, generator=generator)
        )
    model.voices.pitch.copy_(torch.tensor([7.0, 6.5, 8.0]))
    model.voices.listener.project[1].weight.mul_(3)
    model.voices.listener.project[1].bias.copy_(torch.tensor([-0.5, 1.0]))
    return Codec(model, {"name": "voices", "speakers": [*SPEAKERS]})
