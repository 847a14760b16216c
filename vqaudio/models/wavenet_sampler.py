"""Sampling from a WaveNet of which every step counts: few operations, all on buffers made once.

At a batch of one a step costs what it takes to start its operations, not its arithmetic. So all that
is known before a step, which is what the older taps and the conditions add to every gate, is worked
out for all layers at once; what is left of a layer is two matrix products and two operations between.
Nothing is allocated and nothing depends on a value in Python, so that on a GPU the whole step is one
CUDA graph.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from vqaudio.models.code_model import CodeModel
from vqaudio.models.wavenet import WaveNet


class WaveNetSampler:
    """Draws codes from `model`, a WaveNet with conditions, of `batch` sequences side by side.

    A condition goes with `repeat` codes; up to `most` conditions are given at a time. What it computes
    is `CodeModel.step` but for rounding, in float32. The model must not change meanwhile.
    """

    def __init__(self, model: CodeModel, batch: int, repeat: int, most: int, temperature: float):
        network = model.network
        if not isinstance(network, WaveNet) or not model.config.condition_width:
            raise ValueError("only a WaveNet with a condition has a sampler")
        if not 0 < temperature < float("inf"):
            raise ValueError(f"temperature must be above 0, not {temperature}")
        self.model, self.repeat, self.most, self.temperature = model, repeat, most, temperature
        self.weights = _Weights(model)
        width, taps = network.config.width, network.config.kernel - 1
        memories = [layer.memory for layer in network.layers]
        layers, device = len(memories), model.device

        def whole(values: list) -> Tensor:
            return torch.tensor(values, dtype=torch.int64, device=device)

        # Rings of all layers in one buffer; a step reads `taps` places of each and writes the first.
        offsets = whole([sum(memories[:i]) for i in range(layers)])
        self.offsets = offsets.repeat_interleave(taps)
        self.memories = whole(memories).repeat_interleave(taps)
        self.ages = whole([i * layer.dilation for layer in network.layers for i in range(taps)])
        shifts = self.weights.shifts.repeat_interleave(whole(memories), dim=0)
        self.ring = -shifts.unsqueeze(1).expand(-1, batch, -1).contiguous()

        new = self.ring.new_zeros
        self.conditions = new(most, layers, batch, 2 * width)
        self.uniform = torch.zeros(most * repeat, batch, 1, dtype=torch.float64, device=device)
        self.drawn = torch.zeros(most * repeat, batch, dtype=torch.int64, device=device)
        self.previous = torch.full((batch,), model.codebook_size, device=device)
        self.position = whole([0])  # of all steps
        self.place = whole([0])  # of those that the conditions at hand are for
        self.inputs = new(layers, batch, width)
        self.gates = new(batch, 2 * width)
        self.tanh, self.open = self.gates.split(width, dim=-1)
        self.outputs = new(batch, layers * width)
        self.output_of = self.outputs.split(width, dim=-1)
        self.graph: torch.cuda.CUDAGraph | None = None

    @torch.inference_mode()
    def sample(self, conditions: Tensor, uniform: Tensor) -> Tensor:
        """The next N * repeat codes: int64 [B, N * repeat].

        conditions: [B, N, condition_width], N up to `most`; uniform: float64 [N * repeat, B, 1] in
        [0, 1), by which the codes are drawn.
        """
        count = conditions.shape[1]
        self.conditions[:count] = self.weights.project(conditions)
        self.uniform[: count * self.repeat] = uniform
        self.place.zero_()
        step = self._captured().replay if self.ring.is_cuda else self._step
        for _ in range(count * self.repeat):
            step()
        return self.drawn[: count * self.repeat].t().clone()

    def _step(self) -> None:
        w, kernel = self.weights, self.model.network.config.kernel
        layers, batch, width = self.inputs.shape
        places = self.offsets + (self.position + self.ages) % self.memories
        past = self.ring.index_select(0, places).view(layers, kernel - 1, batch, width)
        past = past.transpose(1, 2).reshape(layers, batch, -1)
        condition = self.conditions.index_select(0, self.place // self.repeat)[0]
        known = torch.baddbmm(condition, past, w.older)

        torch.index_select(w.embedding, 0, self.previous, out=self.inputs[0])
        for i in range(layers):
            torch.addmm(known[i], self.inputs[i], w.newest[i], out=self.gates)
            self.gates.tanh_()
            # sigmoid(x) = (tanh(x / 2) + 1) / 2; the halves are in the weights.
            torch.addcmul(self.tanh, self.tanh, self.open, out=self.output_of[i])
            if i + 1 < layers:
                torch.addmm(
                    self.inputs[i], self.output_of[i], w.residual[i], out=self.inputs[i + 1]
                )
        self.ring.index_copy_(0, places[:: kernel - 1], self.inputs)

        skips = torch.addmm(w.skip_bias, self.outputs, w.skip).relu_()
        mixed = torch.addmm(w.mix_bias, skips, w.mix).relu_()
        logits = torch.addmm(w.head_bias, mixed, w.head)
        uniform = self.uniform.index_select(0, self.place)[0]
        pick(logits, uniform, self.temperature, out=self.previous)
        self.drawn.index_copy_(0, self.place, self.previous.unsqueeze(0))
        self.position += 1
        self.place += 1

    def _captured(self) -> torch.cuda.CUDAGraph:
        """The step as a CUDA graph. Warming up and capturing leave the state as it was."""
        if self.graph is None:
            state = (self.ring, self.previous, self.position, self.place, self.drawn)
            before = [tensor.clone() for tensor in state]
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(3):
                    self._step()
            torch.cuda.current_stream().wait_stream(stream)
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self._step()
            for tensor, value in zip(state, before, strict=True):
                tensor.copy_(value)
        return self.graph


def pick(logits: Tensor, uniform: Tensor, temperature: float, out: Tensor) -> None:
    """The codes, int64 [B], at which the cumulative probability of logits [B, K] passes `uniform`,
    float64 [B, 1] in [0, 1)."""
    cumulative = F.softmax(logits.double() / temperature, dim=-1).cumsum(dim=-1)
    # Scaled to the last sum, which rounding keeps from being 1: never past the last possible code.
    places = torch.searchsorted(cumulative, uniform * cumulative[:, -1:], right=True)
    out.copy_(places.squeeze(-1))


class _Weights:
    """A model's weights as [inputs, outputs], with biases and scales folded in.

    The residual path runs without its biases: layer i sees its input less `shifts[i]`, the sum of all
    residual biases before it, and its gates' bias makes up for that.
    """

    @torch.no_grad()
    def __init__(self, model: CodeModel):
        network = model.network
        config, layers = network.config, network.layers
        width = config.width
        half = torch.ones(2 * width, device=model.device)
        half[width:] = 0.5  # of the gates, whose sigmoid is made of a tanh

        shifts = [torch.zeros(width, device=model.device)]
        older, newest, biases = [], [], []
        for layer in layers:
            weight, bias = layer.taps.weight.T * half, layer.taps.bias * half
            older.append(weight[:-width])
            newest.append(weight[-width:].contiguous())
            biases.append(bias + shifts[-1].repeat(config.kernel) @ weight)
            shifts.append(shifts[-1] + layer.out.bias[:width])
        self.older = torch.stack(older)
        self.newest = newest
        self.shifts = torch.stack(shifts[:-1])
        self._biases = torch.stack(biases)[:, None, None]
        self._conditions = torch.stack([layer.condition.weight.T * half for layer in layers])

        outs = [layer.out.weight.T / 2 for layer in layers]
        self.residual = [out[:, :width].contiguous() for out in outs]
        root = len(layers) ** 0.5
        self.skip = torch.cat([out[:, width:] for out in outs]) / root
        self.skip_bias = sum(layer.out.bias[width:] for layer in layers) / root
        self.mix, self.mix_bias = network.mix.weight.T.contiguous(), network.mix.bias
        self.head, self.head_bias = model.head.weight.T.contiguous(), model.head.bias
        self.embedding = model.embedding.weight

    def project(self, conditions: Tensor) -> Tensor:
        """[B, N, condition_width] -> what they and the biases add to gates: [N, layers, B, 2 width]."""
        gates = torch.einsum("bnc,lcg->lnbg", conditions.float(), self._conditions)
        return (gates + self._biases).transpose(0, 1)
