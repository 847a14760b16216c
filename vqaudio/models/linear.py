"""A dense layer that runs as fast as a CPU allows once training is over."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def linear(x: Tensor, layer: nn.Linear, activation: str = "none") -> Tensor:
    """`layer` on the last dimension of x, then "gelu" or "none".

    At work on a CPU, oneDNN does both at once, in half the time of the float32 matrix product and
    the pass over its result that `nn.Linear` and `F.gelu` become. The operator is the one that
    torch.compile emits; it is private, so this does without where it is not found.
    """
    at_work = torch.is_inference_mode_enabled() and not torch.is_autocast_enabled("cpu")
    fits = x.device.type == "cpu" and x.dtype == layer.weight.dtype == torch.float32
    if at_work and fits and _FUSED is not None:
        return _FUSED(x, layer.weight, layer.bias, activation, [], "none")
    y = layer(x)
    return F.gelu(y) if activation == "gelu" else y


_FUSED = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
