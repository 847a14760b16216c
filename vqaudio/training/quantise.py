"""From a prior in floating point to one in integers: learning on with integer arithmetic.

Weights stay in floating point and are rounded each time they are used; where the integer model rounds
or looks up a table, slopes are those of what is approximated, the identity, tanh and sigmoid
("straight through", Bengio et al. 2013). So the weights learn to do well when they are rounded
(Jacob et al. 2018), and `frozen` changes nothing any more.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqaudio.errors import ModelError
from vqaudio.models.code_model import CodeModel, CodeModelConfig, code_bits
from vqaudio.models.integer import NATS_PER_LEVEL, IntegerCodeModel, IntegerCodeModelConfig
from vqaudio.models.integer_arithmetic import (
    EXACT,
    LIMIT,
    SIGMOID_STEPS,
    TABLE,
    TANH_STEPS,
    Arithmetic,
    Weights,
    full_pass,
    gate_table,
    look_up,
    table_range,
)
from vqaudio.models.wavenet import WaveNetConfig

SHIFTS = (-6, 24)
RESIDUAL_SHIFT = 13
"""At most: 2^-13 is far below what rounding the residual path to int8 adds."""
CALM = EXACT / 4
"""How far sums may reach by weights that are not yet rounded."""


class QuantisedCodeModel(nn.Module):
    """A float WaveNet that computes what its integer twin does; `config` is that of the twin.

    model: the weights that learn. Three buffers say what one unit of int8 is worth in each channel:
    residual_scale, of the residual path, and skip_scale and mix_scale, after those dense layers.
    """

    def __init__(self, config: IntegerCodeModelConfig):
        super().__init__()
        self.config = config
        self.model = CodeModel(CodeModelConfig(config.codebook_size, 0, config.network))
        network = config.network
        self.register_buffer("residual_scale", torch.ones(network.width))
        self.register_buffer("skip_scale", torch.ones(network.skip))
        self.register_buffer("mix_scale", torch.ones(network.skip))
        self.register_buffer("table", gate_table(), persistent=False)
        first, last = table_range(network.width)
        self.register_buffer("first", first, persistent=False)
        self.register_buffer("last", last, persistent=False)

    @classmethod
    def of(cls, model: CodeModel, batches: Iterable[Tensor]) -> "QuantisedCodeModel":
        """`model` quantised, its weights copied; batches: of codes, int64 [B, N], by which the scales
        are set. Raises ModelError if the model is not a WaveNet, or takes a condition."""
        network = model.config.network
        if not isinstance(network, WaveNetConfig) or model.config.condition_width:
            raise ModelError("only a WaveNet without a condition can be made an integer model")
        quantised = cls(IntegerCodeModelConfig(model.codebook_size, network)).to(model.device)
        quantised.model.load_state_dict(model.state_dict())
        quantised._calibrate([batch.to(model.device) for batch in batches])
        return quantised

    def forward(self, indices: Tensor) -> Tensor:
        """int64 [B, N] -> logits float32 [B, N, K]: without autocast, exactly those of `frozen`."""
        made = {}
        for name, (weight, bias, shift) in self._integers().items():
            scale = torch.ldexp(torch.ones_like(weight[:, 0]), -shift)
            made[name] = weight * scale[:, None], None if bias is None else bias * scale
        layers = range(len(self.model.network.layers))
        weights = Weights(
            made["embedding"][0].t().clamp(-LIMIT, LIMIT),
            [made[f"taps.{i}"][0] for i in layers],
            [made[f"taps.{i}"][1] for i in layers],
            [made[f"residual.{i}"][0] for i in layers[:-1]],
            *(*made["skip"], *made["mix"], *made["head"]),
        )
        arithmetic = Arithmetic(_Round.apply, self._gates)
        return full_pass(weights, self.config.network, indices, arithmetic) * NATS_PER_LEVEL

    def bits(self, indices: Tensor) -> Tensor:
        """As CodeModel.bits."""
        return code_bits(self(indices.clamp_min(0)), indices)

    @torch.no_grad()
    def frozen(self) -> IntegerCodeModel:
        """The integer twin, on the same device. Raises ModelError if weights are out of all range."""
        state = {}
        for name, (weight, bias, shift) in self._integers().items():
            if weight.abs().amax() > LIMIT:
                raise ModelError(f"the weights of {name} have grown out of the range of int8")
            state[f"{name}.weight"], state[f"{name}.shift"] = weight.char(), shift.char()
            if bias is not None:
                state[f"{name}.bias"] = bias.int()
        model = IntegerCodeModel(self.config).to(weight.device)
        model.load_state_dict(state)
        return model.eval()

    def _gates(self, steps: Tensor) -> Tensor:
        return _Gates.apply(steps, self.table, self.first, self.last)

    def _integers(self) -> dict[str, tuple[Tensor, Tensor | None, Tensor]]:
        """For each layer of the twin weight and bias, whole numbers as float32, and shift, int32."""
        scaled = self._scaled()
        with torch.no_grad():
            shifts = {name: _shift(*of_layer) for name, of_layer in scaled.items()}
            adding = [name for name in scaled if name.startswith(("embedding", "residual"))]
            # The path's own value, and what a layer adds to it, in the unit of the finest layer.
            added = [scaled[name][0].abs().sum(dim=1) for name in adding[1:]]
            most = torch.stack([torch.zeros_like(self.residual_scale), *added]).amax(dim=0) + 1
            highest = _bits_below(CALM / LIMIT / most).clamp_max(RESIDUAL_SHIFT)
            for name in adding:
                shifts[name] = shifts[name].minimum(highest)
        result = {}
        for name, (weight, bias) in scaled.items():
            scale = torch.ldexp(torch.ones_like(weight[:, 0]), shifts[name])
            whole = _Round.apply(weight * scale[:, None])
            result[name] = (
                whole,
                None if bias is None else _Round.apply(bias * scale),
                shifts[name],
            )
        return result

    def _scaled(self) -> dict[str, tuple[Tensor, Tensor | None]]:
        """Weights and biases of each layer of the twin before they are rounded."""
        network, layers = self.model.network, self.model.network.layers
        width, kernel = self.config.network.width, self.config.network.kernel
        slopes = torch.tensor([TANH_STEPS, SIGMOID_STEPS]).repeat_interleave(width)
        slopes = slopes.to(self.first)
        inputs = self.residual_scale.repeat(kernel)
        result = {
            "embedding": (self.model.embedding.weight.t() / self.residual_scale[:, None], None)
        }
        for i, layer in enumerate(layers):
            weight = layer.taps.weight * slopes[:, None] * inputs
            result[f"taps.{i}"] = weight, layer.taps.bias * slopes + self.first + TABLE / 2
        for i, layer in enumerate(layers[:-1]):
            weight = layer.out.weight[:width] / (LIMIT * self.residual_scale[:, None])
            result[f"residual.{i}"] = weight, None
        # As in WaveNet the root keeps the scale of the sum, whatever the depth.
        units = len(layers) ** 0.5 * self.skip_scale
        skip = torch.cat([layer.out.weight[width:] for layer in layers], dim=1)
        bias = torch.stack([layer.out.bias[width:] for layer in layers]).sum(dim=0)
        result["skip"] = skip / (LIMIT * units[:, None]), bias / units
        mix, head = network.mix, self.model.head
        weight = mix.weight * self.skip_scale / self.mix_scale[:, None]
        result["mix"] = weight, mix.bias / self.mix_scale
        result["head"] = head.weight * self.mix_scale / NATS_PER_LEVEL, head.bias / NATS_PER_LEVEL
        return result

    @torch.no_grad()
    def _calibrate(self, batches: list[Tensor]) -> None:
        """Set the scales so that int8 has the range of what is seen; first centre the residual path,
        which has no biases in the twin."""
        self._move_residual_path()
        seen = [_seen(self.model, batch) for batch in batches]
        mean = torch.stack([one.mean for one in seen]).mean(dim=0)
        self.model.embedding.weight -= mean
        for layer in self.model.network.layers:
            _add_to_taps(layer.taps, mean)
        seen = [_seen(self.model, batch) for batch in batches]
        for scale, ranges in (
            (self.residual_scale, [one.residual for one in seen]),
            (self.skip_scale, [one.skip for one in seen]),
            (self.mix_scale, [one.mix for one in seen]),
        ):
            most = torch.stack(ranges).mean(dim=0)
            # A channel that is always 0 by now may come to life.
            scale.copy_(most.clamp_min(most.median() / 16).clamp_min(1e-6) / LIMIT)

    def _move_residual_path(self) -> None:
        """Let what the residual path's biases add up to go into the taps' biases."""
        width = self.config.network.width
        total = torch.zeros(width, device=self.model.device)
        for layer in self.model.network.layers:
            _add_to_taps(layer.taps, total)
            total += layer.out.bias[:width]
            layer.out.bias[:width] = 0


def _add_to_taps(taps: nn.Linear, constant: Tensor) -> None:
    """Give `taps` the bias that it would have from `constant` on all of its inputs."""
    taps.bias += taps.weight @ constant.repeat(taps.in_features // len(constant))


def _shift(weight: Tensor, bias: Tensor | None) -> Tensor:
    """int32 [outputs]: the most by which a row may be shifted to still be int8, its sums exact."""
    reach = LIMIT * weight.abs().sum(dim=1) + (0 if bias is None else bias.abs())
    shift = _bits_below(LIMIT / weight.abs().amax(dim=1).clamp_min(1e-9))
    return shift.minimum(_bits_below(CALM / reach.clamp_min(1e-9))).clamp(*SHIFTS)


def _bits_below(values: Tensor) -> Tensor:
    """floor(log2) of positive values, exactly: int32."""
    return torch.frexp(values).exponent - 1


@dataclass(frozen=True)
class _Seen:
    """Of a float model on a batch: the residual path's mean [width], and the largest of each channel,
    mean over rows: in the residual path of any layer [width], and after the skip sum and the mix."""

    mean: Tensor
    residual: Tensor
    skip: Tensor
    mix: Tensor


def _seen(model: CodeModel, codes: Tensor) -> _Seen:
    network = model.network
    x = model.embedding(F.pad(codes[:, :-1], (1, 0), value=model.codebook_size))
    total, means, residual = 0.0, [], []
    for layer in network.layers:
        means.append(x.mean(dim=(0, 1)))
        residual.append(x.abs().amax(dim=1).mean(dim=0))
        x, skip = layer(x, None)
        total = total + skip
    skip = F.relu(total / len(network.layers) ** 0.5)
    mix = F.relu(network.mix(skip))
    return _Seen(
        torch.stack(means).mean(dim=0),
        torch.stack(residual).amax(dim=0),
        *(x.amax(dim=1).mean(dim=0) for x in (skip, mix)),
    )


class _Round(torch.autograd.Function):
    """Half to even; its slope is that of the identity."""

    @staticmethod
    def forward(_, x: Tensor) -> Tensor:
        return x.round()

    @staticmethod
    def backward(_, slope: Tensor) -> Tensor:
        return slope


class _Gates(torch.autograd.Function):
    """The tables' values, with the slopes of tanh and sigmoid."""

    @staticmethod
    def forward(context, steps: Tensor, table: Tensor, first: Tensor, last: Tensor) -> Tensor:
        values = look_up(steps, table, first, last)
        context.save_for_backward(values)
        return values

    @staticmethod
    def backward(context, slope: Tensor) -> tuple[Tensor, None, None, None]:
        signal, gate = context.saved_tensors[0].chunk(2, dim=-1)
        slopes = (LIMIT - signal**2 / LIMIT) / TANH_STEPS, gate * (1 - gate) / SIGMOID_STEPS
        return slope * torch.cat(slopes, dim=-1), None, None, None
