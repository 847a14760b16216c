"""Least-squares adversarial losses (Mao et al. 2017) and feature matching (EnCodec's form).

Every loss is a mean over discriminators, so its weight need not change with their number. `Maps`
are what `vqaudio.models.discriminators.Discriminators` returns: for each discriminator its feature
maps, the logits last.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

Maps = list[list[Tensor]]


class GeneratorLosses(NamedTuple):
    """What the discriminators tell the generator; scalars, each to be weighted by the caller."""

    adversarial: Tensor
    feature_matching: Tensor


def discriminator_loss(real: Maps, fake: Maps) -> Tensor:
    """Scalar: logits of real audio are to be 1, of generated audio 0. At 0.5 nothing is known."""
    losses = [
        (1 - r[-1].float()).square().mean() + f[-1].float().square().mean()
        for r, f in zip(real, fake, strict=True)
    ]
    return torch.stack(losses).mean()


def generator_loss(fake: Maps) -> Tensor:
    """Scalar: logits of generated audio are to be 1."""
    return torch.stack([(1 - f[-1].float()).square().mean() for f in fake]).mean()


def feature_matching_loss(real: Maps, fake: Maps) -> Tensor:
    """Scalar: mean over layers of |real - fake| over the mean of |real|; real is the target.

    The logits are left out: they are the adversarial loss's.
    """
    losses = []
    for real_maps, fake_maps in zip(real, fake, strict=True):
        for r, f in zip(real_maps[:-1], fake_maps[:-1], strict=True):
            r, f = r.detach().float(), f.float()
            losses.append((r - f).abs().mean() / r.abs().mean().clamp(min=1e-5))
    return torch.stack(losses).mean()


def discriminator_step(discriminators: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """The loss of the discriminators on waves real and fake [B, T]. Gives `fake` no gradient."""
    maps = discriminators(torch.cat([real, fake.detach()]))
    halves = [[layer.chunk(2) for layer in layers] for layers in maps]
    return discriminator_loss(
        [[r for r, _ in layers] for layers in halves], [[f for _, f in layers] for layers in halves]
    )


def generator_step(discriminators: nn.Module, real: Tensor, fake: Tensor) -> GeneratorLosses:
    """The losses of the generator on waves real and fake [B, T].

    Gives the discriminators no gradient, which also spares a third of the backward pass.
    """
    with torch.no_grad():
        real_maps = discriminators(real)
    with _frozen(discriminators):
        fake_maps = discriminators(fake)
    return GeneratorLosses(generator_loss(fake_maps), feature_matching_loss(real_maps, fake_maps))


@contextmanager
def _frozen(module: nn.Module) -> Iterator[None]:
    """Graphs recorded inside do not lead to the module's parameters."""
    trained = [p for p in module.parameters() if p.requires_grad]
    try:
        for parameter in trained:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
