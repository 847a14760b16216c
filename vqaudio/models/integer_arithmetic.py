"""What the integer model computes, of whole sequences: see `vqaudio.models.integer`."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from vqaudio.models.wavenet import WaveNetConfig

EXACT = 2**24
"""Up to here float32 holds every integer."""

LIMIT = 127
"""Of activations, either side of 0; a whole gate (tanh of 1) has this value."""
TABLE = 1024
"""Entries of each of the two tables of the gates."""
TANH_STEPS, SIGMOID_STEPS = 128, 64
"""Table entries for an argument that grows by 1: the tables end at arguments of -4 and 4, -8 and 8."""
SIGMOID_UNITS = 128


@dataclass(frozen=True)
class Weights:
    """What the arithmetic works with: int8 and int32 already divided by powers of two, float32.

    embedding [K + 1, width]; of each layer taps [2 width, kernel * width] and taps_bias; residual
    [width, width], none for the last layer, whose sum nobody reads; skip [skip, layers * width], mix
    [skip, skip] and head [K, skip], each with a bias.
    """

    embedding: Tensor
    taps: list[Tensor]
    taps_bias: list[Tensor]
    residual: list[Tensor]
    skip: Tensor
    skip_bias: Tensor
    mix: Tensor
    mix_bias: Tensor
    head: Tensor
    head_bias: Tensor


@dataclass(frozen=True)
class Arithmetic:
    """Where learning needs slopes that the integers have not (`vqaudio.training.quantise`).

    gates: float32 [..., 2 width] in table steps -> tanh in [-LIMIT, LIMIT] and sigmoid in [0, 1]."""

    round: Callable[[Tensor], Tensor]
    gates: Callable[[Tensor], Tensor]


def full_pass(
    weights: Weights, config: WaveNetConfig, codes: Tensor, arithmetic: Arithmetic
) -> Tensor:
    """int64 [B, N] -> levels as float32 [B, N, K], of item n from codes[:, :n]."""
    number = codes.shape[1]
    previous = F.pad(codes[:, :-1], (1, 0), value=len(weights.embedding) - 1)
    x = F.embedding(previous, weights.embedding)
    outputs = []
    for layer, dilation in enumerate(config.dilations * config.cycles):
        memory = (config.kernel - 1) * dilation
        past = F.pad(arithmetic.round(x), (0, 0, memory, 0))
        taps = torch.cat([past[:, i : i + number] for i in range(0, memory + 1, dilation)], dim=-1)
        steps = F.linear(taps, weights.taps[layer]) + weights.taps_bias[layer]
        signal, gate = arithmetic.gates(steps).chunk(2, dim=-1)
        outputs.append(arithmetic.round(signal * gate))
        if layer < len(weights.residual):
            x = (x + F.linear(outputs[-1], weights.residual[layer])).clamp(-LIMIT, LIMIT)
    return finish(weights, torch.cat(outputs, dim=-1), arithmetic.round)


def finish(weights: Weights, x: Tensor, round_: Callable[[Tensor], Tensor]) -> Tensor:
    for matrix, bias in ((weights.skip, weights.skip_bias), (weights.mix, weights.mix_bias)):
        x = round_((F.linear(x, matrix) + bias).clamp(0, LIMIT))
    # Training may compute what is above in bf16. Levels would be off by whole units in it.
    with torch.autocast(x.device.type, enabled=False):
        return round_(F.linear(x.float(), weights.head) + weights.head_bias)


def gate_table() -> Tensor:
    """float32 [2 TABLE]: tanh in whole numbers up to LIMIT, then sigmoid in 1/SIGMOID_UNITS.

    Entry i is of the middle of the step from i to i + 1. None of them comes near to where rounding
    would be in doubt: every machine makes the same table.
    """
    middles = [i + 0.5 - TABLE / 2 for i in range(TABLE)]
    tanh = [round(LIMIT * math.tanh(m / TANH_STEPS)) for m in middles]
    sigmoid = [round(SIGMOID_UNITS / (1 + math.exp(-m / SIGMOID_STEPS))) for m in middles]
    return torch.tensor(tanh + [units / SIGMOID_UNITS for units in sigmoid])


def table_range(width: int) -> tuple[Tensor, Tensor]:
    """The first and the last entry that each of the 2 width gate channels may look up, float32."""
    first = torch.tensor([0.0, TABLE]).repeat_interleave(width)
    return first, first + TABLE - 1


def look_up(steps: Tensor, table: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """Entries of `table` by float32 [..., 2 width], cut off to whole numbers in [first, last]."""
    entries = steps.clamp(first, last).int()
    return table.index_select(0, entries.flatten()).view_as(steps)
