"""What the integer model computes, a code at a time."""

from dataclasses import dataclass

import torch
from torch import Tensor

from vqaudio.models.integer_arithmetic import LIMIT, Weights, finish
from vqaudio.models.wavenet import WaveNetConfig


class IntegerState:
    """What a model remembers of `batch` sequences after `position` steps, and its room to work in.

    A layer keeps its latest q in a ring [B, dilation, 2 kernel, width], of each phase of its dilation
    apart and written twice, `kernel` places apart: so the taps of a step always lie side by side.
    gates: the table, and of each channel the first and the last entry.
    """

    def __init__(
        self,
        weights: Weights,
        config: WaveNetConfig,
        gates: tuple[Tensor, Tensor, Tensor],
        batch: int,
    ):
        width, new = config.width, weights.embedding.new_zeros
        dilations = config.dilations * config.cycles
        self.weights, self.batch, self.position = weights, batch, 0
        self.table, self.first, self.last = gates
        # Of the layer that is being computed.
        self.q = new(batch, width)
        self.steps = new(batch, 2 * width)
        self.entries = torch.zeros_like(self.steps, dtype=torch.int32)
        self.values = torch.zeros_like(self.steps)
        self.outputs = new(batch, len(dilations) * width)
        outputs = self.outputs.split(width, dim=-1)
        matrices = [matrix.t() for matrix in weights.residual] + [None]
        self.layers = [
            _LayerState(
                _ring(new(batch, dilation, 2 * config.kernel, width)),
                weights.taps[i].t(),
                weights.taps_bias[i],
                outputs[i],
                matrices[i],
            )
            for i, dilation in enumerate(dilations)
        ]


@dataclass(frozen=True)
class _LayerState:
    """ring: for each position modulo dilation * kernel where to write q [B, 2, width], and then the
    taps [B, kernel * width]; output: where to write g. Matrices are [inputs, outputs]."""

    ring: list[tuple[Tensor, Tensor]]
    taps: Tensor
    taps_bias: Tensor
    output: Tensor
    residual: Tensor | None


def _ring(memory: Tensor) -> list[tuple[Tensor, Tensor]]:
    _, dilation, places, _ = memory.shape
    kernel = places // 2
    return [
        (memory[:, phase, slot::kernel], memory[:, phase, slot + 1 : slot + 1 + kernel].flatten(1))
        for slot in range(kernel)
        for phase in range(dilation)
    ]


def step(state: IntegerState, previous: Tensor) -> Tensor:
    """int64 [B] -> levels as float32 [B, K], and the state is one step on.

    As `full_pass`, but what an operation makes is put where the next looks for it: for one sequence
    a quarter of the time went into making room.
    """
    x = state.weights.embedding.index_select(0, previous)
    q, steps, entries, values = (
        state.q,
        state.steps,
        state.entries.flatten(),
        state.values.flatten(),
    )
    signal, gate = state.values.chunk(2, dim=-1)
    both_places, flat_steps = q.unsqueeze(1), steps.flatten()
    for layer in state.layers:
        places, taps = layer.ring[state.position % len(layer.ring)]
        torch.round(x, out=q)
        places.copy_(both_places)
        torch.addmm(layer.taps_bias, taps, layer.taps, out=steps)
        torch.clamp(steps, state.first, state.last, out=steps)
        torch.index_select(state.table, 0, entries.copy_(flat_steps), out=values)
        torch.mul(signal, gate, out=layer.output).round_()
        if layer.residual is not None:
            x.addmm_(layer.output, layer.residual).clamp_(-LIMIT, LIMIT)
    state.position += 1
    return finish(state.weights, state.outputs, torch.round)
