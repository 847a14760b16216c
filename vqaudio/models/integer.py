"""A WaveNet over codes in integers alone: what it predicts is the same to the bit everywhere.

An entropy decoder must predict exactly what the encoder predicted, on another machine, with another
number of threads, a step at a time instead of a file at once. Floating point gives other sums in
another order of summing. Here every value is a dyadic fraction (an integer over a power of two) that
float32 holds exactly, and so is every partial sum of every matrix product, which a check of the
weights at load makes sure of: all orders of summing agree, fused or not, on any BLAS or device.

Weights are int8, each row of a matrix with a power of two (`shift`) that divides it. In a layer:

    q = round(x), half to even: int8              x: the residual path, in [-127, 127]
    a = weight . q at the taps + bias             in steps of the gate's table
    g = round(tanh[a_signal] * sigmoid[a_gate]): int8, tables of integers
    x = clamp(x + weight . g, -127, 127)

The g of all layers together go through three dense layers, with ReLU, round and clamp to [0, 127]
between them, to log2-probabilities in whole steps of 1/32 bit.
"""

import math
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from vqaudio.config import from_dict
from vqaudio.errors import ModelError
from vqaudio.models.code_model import code_bits
from vqaudio.models.integer_arithmetic import (
    EXACT,
    LIMIT,
    Arithmetic,
    Weights,
    full_pass,
    gate_table,
    look_up,
    table_range,
)
from vqaudio.models.integer_step import IntegerState, step
from vqaudio.models.wavenet import WaveNetConfig

LEVELS_PER_BIT = 32
NATS_PER_LEVEL = math.log(2) / LEVELS_PER_BIT
INEXACT = "these integer weights are so large that sums with them would not be exact"


@dataclass(frozen=True)
class IntegerCodeModelConfig:
    """As plain values it also has `kind`: integer, which a CodeModelConfig has not."""

    kind: ClassVar[str] = "integer"

    codebook_size: int = 512
    network: WaveNetConfig = field(default_factory=WaveNetConfig)

    def __post_init__(self):
        if self.codebook_size < 2:
            raise ValueError("codebook_size must be at least 2")

    def to_dict(self) -> dict[str, Any]:
        values = asdict(self)
        network = {"kind": self.network.kind, **values["network"]}
        return {"kind": self.kind, **values, "network": network}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "IntegerCodeModelConfig":
        """Raises ValueError, in one line, for another kind, an unknown key or a wrong type."""
        values, network = dict(values), dict(values.get("network", {}))
        if (kind := values.pop("kind", None)) != cls.kind:
            raise ValueError(f"kind must be {cls.kind}, not {kind}")
        if (kind := network.pop("kind", None)) != WaveNetConfig.kind:
            raise ValueError(f"network.kind of an integer model must be wavenet, not {kind}")
        return from_dict(cls, {**values, "network": from_dict(WaveNetConfig, network)})


class IntegerLinear(nn.Module):
    """int8 weight [outputs, inputs] and int32 bias [outputs], divided by 2 ** shift [outputs].

    `matrix` and `offset` are the quotients as float32, made by `prepare`."""

    def __init__(self, inputs: int, outputs: int, bias: bool = True):
        super().__init__()
        self.register_buffer("weight", torch.zeros(outputs, inputs, dtype=torch.int8))
        self.register_buffer("bias", torch.zeros(outputs, dtype=torch.int32) if bias else None)
        self.register_buffer("shift", torch.zeros(outputs, dtype=torch.int8))
        self.register_buffer("matrix", torch.zeros(outputs, inputs), persistent=False)
        self.register_buffer("offset", torch.zeros(outputs), persistent=False)

    def prepare(self) -> None:
        """Raises ModelError if a sum could become too large for float32 to hold exactly."""
        if (self.reach() >= EXACT).any() or (self.shift < -6).any() or (self.shift > 24).any():
            raise ModelError(INEXACT)
        scale = torch.ldexp(torch.ones_like(self.offset), -self.shift.int())
        self.matrix.copy_(self.weight * scale[:, None])
        if self.bias is not None:
            self.offset.copy_(self.bias * scale)

    def reach(self) -> Tensor:
        """What the sum of a row can reach at most, before the division: int64 [outputs]."""
        sums = LIMIT * self.weight.long().abs().sum(dim=1)
        return sums if self.bias is None else sums + self.bias.long().abs()


class IntegerCodeModel(nn.Module):
    """A distribution over sequences of codes, as CodeModel is, the same to the bit wherever it runs.

    `levels` and `step_levels` are log2-probabilities, but for a constant, in units of
    1/LEVELS_PER_BIT bit; `forward` and `step` are the same as logits. Weights come by
    `load_state_dict`, which raises ModelError for those that would not be exact.
    """

    def __init__(self, config: IntegerCodeModelConfig):
        super().__init__()
        self.config = config
        network, size = config.network, config.codebook_size
        width, skip = network.width, network.skip
        layers = len(network.dilations) * network.cycles
        self.embedding = IntegerLinear(size + 1, width, bias=False)
        self.taps = nn.ModuleList(
            IntegerLinear(network.kernel * width, 2 * width) for _ in range(layers)
        )
        self.residual = nn.ModuleList(
            IntegerLinear(width, width, bias=False) for _ in range(layers - 1)
        )
        self.skip = IntegerLinear(layers * width, skip)
        self.mix = IntegerLinear(skip, skip)
        self.head = IntegerLinear(skip, size)
        self.register_buffer("table", gate_table(), persistent=False)
        first, last = table_range(width)
        self.register_buffer("first", first, persistent=False)
        self.register_buffer("last", last, persistent=False)
        # What a step looks up, side by side.
        self.register_buffer("embedded", torch.zeros(size + 1, width), persistent=False)
        self.register_load_state_dict_post_hook(lambda module, _: module.prepare())

    @property
    def codebook_size(self) -> int:
        return self.config.codebook_size

    @property
    def receptive_field(self) -> int:
        """Codes before a code on which its prediction depends; what is older changes nothing."""
        network = self.config.network
        return 1 + (network.kernel - 1) * network.cycles * sum(network.dilations)

    @property
    def device(self) -> torch.device:
        return self.table.device

    def prepare(self) -> None:
        """Check the weights and make what the arithmetic works with. Raises ModelError."""
        for module in self.modules():
            if isinstance(module, IntegerLinear):
                module.prepare()
        # Of the residual path's sums, in its finest unit: what was there, and what a layer adds.
        adding = [self.embedding, *self.residual]
        finest = torch.stack([layer.shift.long() for layer in adding]).amax(dim=0).clamp_min(0)
        for layer in self.residual:
            added = layer.reach().double() * 2.0 ** (finest - layer.shift)
            if (LIMIT * 2.0**finest + added >= EXACT).any():
                raise ModelError(INEXACT)
        self.embedded.copy_(self.embedding.matrix.t().clamp(-LIMIT, LIMIT))

    def forward(self, indices: Tensor) -> Tensor:
        """int64 [B, N], each in [0, K) -> logits float32 [B, N, K]: item n predicts indices[:, n]
        from indices[:, :n]."""
        return self.levels(indices) * NATS_PER_LEVEL

    def bits(self, indices: Tensor) -> Tensor:
        """What each code costs, -log2 of its probability: float32 [B, N], 0 where there is no code
        (index -1, at the end of shorter rows)."""
        return code_bits(self(indices.clamp_min(0)), indices)

    @torch.inference_mode()
    def levels(self, indices: Tensor) -> Tensor:
        """int64 [B, N], each in [0, K) -> int32 [B, N, K]: item n is of indices[:, n]."""
        with torch.autocast(self.device.type, enabled=False):
            arithmetic = Arithmetic(torch.round, self._gates)
            return full_pass(self._weights(), self.config.network, indices, arithmetic).int()

    def _gates(self, steps: Tensor) -> Tensor:
        return look_up(steps, self.table, self.first, self.last)

    def _weights(self) -> Weights:
        return Weights(
            self.embedded,
            [layer.matrix for layer in self.taps],
            [layer.offset for layer in self.taps],
            [layer.matrix for layer in self.residual],
            *(self.skip.matrix, self.skip.offset, self.mix.matrix, self.mix.offset),
            *(self.head.matrix, self.head.offset),
        )

    @torch.inference_mode()
    def start(self, batch: int) -> IntegerState:
        """The state before the first code of `batch` sequences."""
        gates = self.table, self.first, self.last
        return IntegerState(self._weights(), self.config.network, gates, batch)

    def step(self, previous: Tensor | None, state: IntegerState) -> tuple[Tensor, IntegerState]:
        """Predict the next code. previous: int64 [B], the code that the last step predicted, None at
        the start. Returns logits float32 [B, K] and the state to go on from; the one given is used up.
        """
        levels, state = self.step_levels(previous, state)
        return levels * NATS_PER_LEVEL, state

    @torch.inference_mode()
    def step_levels(
        self, previous: Tensor | None, state: IntegerState
    ) -> tuple[Tensor, IntegerState]:
        """As `step`, with levels int32 [B, K]."""
        if (previous is None) != (state.position == 0):
            raise ValueError("there is a previous code at every step but the first")
        if previous is None:
            previous = torch.full((state.batch,), self.codebook_size, device=self.device)
        with torch.autocast(self.device.type, enabled=False):
            return step(state, previous).int(), state
