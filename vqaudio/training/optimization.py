"""What every task does alike: one step down the gradient, its rate, precision and average."""

import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from vqaudio.config import differences
from vqaudio.training import distributed
from vqaudio.training.schedule import trapezoid

BF16, FP32 = "bf16", "fp32"


@dataclass(frozen=True)
class OptimizerConfig:
    """AdamW; the rate goes up over `warmup` steps and down over the last `decay`."""

    rate: float = 1e-3
    betas: tuple[float, float] = (0.8, 0.99)
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    warmup: int = 500
    decay: int = 20_000


def adamw(parameters: Iterable[nn.Parameter], config: OptimizerConfig) -> torch.optim.Optimizer:
    return torch.optim.AdamW(
        parameters, config.rate, config.betas, weight_decay=config.weight_decay, fused=True
    )


def set_rate(
    optimizer: torch.optim.Optimizer, config: OptimizerConfig, step: int, steps: int
) -> float:
    """The learning rate of `step` of `steps`, which the optimiser has from now on."""
    rate = config.rate * trapezoid(step, steps, config.warmup, config.decay)
    for group in optimizer.param_groups:
        group["lr"] = rate
    return rate


def descend(
    loss: Tensor,
    parameters: list[nn.Parameter],
    optimizer: torch.optim.Optimizer,
    config: OptimizerConfig,
) -> Tensor:
    """One optimiser step on the mean over ranks of `loss`; the gradient's norm before clipping."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    distributed.average_gradients(parameters)
    norm = nn.utils.clip_grad_norm_(parameters, config.clip_norm)
    optimizer.step()
    return norm.detach()


def moving_average(model: nn.Module, decay: float) -> AveragedModel:
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))


def check_precision(precision: str) -> None:
    """Raises ValueError unless it is bf16 or fp32."""
    if precision not in (BF16, FP32):
        raise ValueError(f"precision must be {BF16} or {FP32}, not {precision}")


def autocast(device: torch.device, precision: str) -> torch.autocast:
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == BF16)


def tell_differences(before: dict[str, Any], config: Any) -> None:
    """A line on standard error, from the main rank, for all that a run that is resumed has otherwise."""
    if distributed.is_main():
        for line in differences(before, asdict(config)):
            print(f"changed since the checkpoint: {line}", file=sys.stderr)
