"""WaveNet: causal, dilated, gated convolutions (van den Oord et al. 2016)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqaudio.models.linear import linear


@dataclass(frozen=True)
class WaveNetConfig:
    """`width`: channels of the residual path and of the gates; `skip`: of the skip path. There is a
    layer for each of `dilations` (steps between the taps of its kernel), `cycles` times over."""

    kind: ClassVar[str] = "wavenet"

    width: int = 192
    skip: int = 256
    kernel: int = 4
    dilations: tuple[int, ...] = (1, 4, 16, 64)
    cycles: int = 2

    def __post_init__(self):
        if min(self.width, self.skip, self.cycles, *self.dilations) < 1 or not self.dilations:
            raise ValueError("wavenet: width, skip, cycles and dilations must be at least 1")
        if self.kernel < 2:
            raise ValueError(f"wavenet: kernel must be at least 2, not {self.kernel}")


@dataclass
class WaveNetState:
    """rings: for each layer its latest inputs [steps, B, width], the oldest at `position` modulo
    steps; position: steps so far."""

    batch: int
    rings: list[Tensor]
    position: int = 0


class WaveNet(nn.Module):
    """A causal network: what comes out at a step depends on inputs up to that step alone.

    Shapes: [B, N, input_width] -> [B, N, output_width]. A condition, if `condition_width` is not 0,
    enters every gate: [B, M, condition_width], of which each item goes with N / M steps, one after
    the other. So M is 1 for one condition of all steps, N for one of each.
    """

    def __init__(self, config: WaveNetConfig, condition_width: int = 0):
        super().__init__()
        self.config = config
        self.layers = nn.ModuleList(
            GatedLayer(config.width, config.skip, config.kernel, dilation, condition_width)
            for dilation in config.dilations * config.cycles
        )
        self.mix = nn.Linear(config.skip, config.skip)

    @property
    def input_width(self) -> int:
        return self.config.width

    @property
    def output_width(self) -> int:
        return self.config.skip

    @property
    def receptive_field(self) -> int:
        """Inputs, the newest included, on which an output depends."""
        return 1 + sum(layer.memory for layer in self.layers)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        total = 0.0
        for layer in self.layers:
            x, skip = layer(x, condition)
            total = total + skip
        return self._finish(total)

    def start(self, batch: int) -> WaveNetState:
        size, new = (batch, self.config.width), self.mix.weight.new_zeros
        return WaveNetState(batch, [new(layer.memory, *size) for layer in self.layers])

    def step(self, x: Tensor, state: WaveNetState, condition: Tensor | None = None) -> Tensor:
        """One more step: x [B, input_width] -> [B, output_width]. Changes `state`."""
        total = 0.0
        for layer, ring in zip(self.layers, state.rings, strict=True):
            x, skip = layer.step(x, ring, state.position, condition)
            total = total + skip
        state.position += 1
        return self._finish(total)

    def _finish(self, skips: Tensor) -> Tensor:
        # The root keeps the scale of the sum, whatever the depth.
        skips = skips / len(self.layers) ** 0.5
        return F.relu(linear(F.relu(skips), self.mix))


class GatedLayer(nn.Module):
    """tanh(signal) * sigmoid(gate) of a dilated causal convolution, to the residual and skip paths.

    The convolution is a matrix product over taps laid side by side, which on CPUs is faster than a
    dilated convolution, and is the same operation for a whole sequence and for one step.
    """

    def __init__(self, width: int, skip: int, kernel: int, dilation: int, condition_width: int):
        super().__init__()
        self.kernel, self.dilation = kernel, dilation
        self.split = (width, skip)
        self.taps = nn.Linear(kernel * width, 2 * width)
        self.condition = (
            nn.Linear(condition_width, 2 * width, bias=False) if condition_width else None
        )
        self.out = nn.Linear(width, width + skip)

    @property
    def memory(self) -> int:
        """Earlier inputs that matter."""
        return (self.kernel - 1) * self.dilation

    def forward(self, x: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        """x [B, N, width] -> the next layer's x, and [B, N, skip]."""
        padded = F.pad(x, (0, 0, self.memory, 0))
        starts = range(0, self.memory + 1, self.dilation)
        return self._gated(x, [padded[:, i : i + x.shape[1]] for i in starts], condition)

    def step(
        self, x: Tensor, ring: Tensor, position: int, condition: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The same for one step, x [B, width]; the ring takes x in the place of its oldest."""
        starts = range(position, position + self.memory, self.dilation)
        result = self._gated(x, [*(ring[i % self.memory] for i in starts), x], condition)
        ring[position % self.memory] = x
        return result

    def _gated(
        self, x: Tensor, taps: list[Tensor], condition: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        gates = linear(torch.cat(taps, dim=-1), self.taps)
        if self.condition is not None:
            gates = _add_repeated(gates, linear(condition, self.condition))
        signal, gate = gates.chunk(2, dim=-1)
        out = linear(torch.tanh(signal) * torch.sigmoid(gate), self.out)
        residual, skip = out.split(self.split, dim=-1)
        return x + residual, skip


def _add_repeated(x: Tensor, condition: Tensor) -> Tensor:
    """x [B, N, C] + condition [B, M, C], each item of which goes with N / M steps; or of one step."""
    if x.ndim == 2 or condition.shape[1] in (1, x.shape[1]):
        return x + condition
    steps = x.unflatten(1, (condition.shape[1], -1))
    return (steps + condition.unsqueeze(2)).flatten(1, 2)
