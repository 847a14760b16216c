"""One process or several: the few collective operations that training needs.

Without `torchrun` every function here is the identity, so the code that calls them has no branches.
"""

import os

import torch
import torch.distributed as dist
from torch import Tensor

from vqaudio.errors import ModelError


def start(device: str) -> torch.device:
    """Join the process group if `torchrun` started us; the device of this rank.

    `device`: "auto" (a GPU if there is one), "cpu" or "cuda". Raises ModelError if there is none.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise ModelError(f"device must be auto, cpu or cuda, not {device}")
    if device == "cuda" and not torch.cuda.is_available():
        raise ModelError("no CUDA device was found")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if "RANK" in os.environ:
        # gloo on GPUs too: the loop's small flags stay on the CPU.
        dist.init_process_group("cpu:gloo,cuda:nccl" if device == "cuda" else "gloo")
    if device == "cuda":
        local = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(local)
        return local
    return torch.device(device)


def stop() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def is_main() -> bool:
    return rank() == 0


def sum_over_ranks(tensor: Tensor) -> Tensor:
    """In place."""
    if dist.is_initialized():
        dist.all_reduce(tensor)
    return tensor


def mean_over_ranks(tensor: Tensor) -> Tensor:
    """In place."""
    return sum_over_ranks(tensor).div_(world_size())


def gather_rows(tensor: Tensor) -> Tensor:
    """[N, ...] on every rank -> [world_size * N, ...], rank 0's rows first, on every rank."""
    if not dist.is_initialized():
        return tensor
    parts = [torch.empty_like(tensor) for _ in range(world_size())]
    dist.all_gather(parts, tensor.contiguous())
    return torch.cat(parts)


def broadcast(tensor: Tensor) -> Tensor:
    """In place, from rank 0."""
    if dist.is_initialized():
        dist.broadcast(tensor, src=0)
    return tensor


def average_gradients(parameters: list[Tensor]) -> None:
    """Gradients become their mean over ranks, in one transfer.

    Done by hand rather than by DistributedDataParallel: codec training runs the discriminators in two
    passes of one step and leaves the codebook out at first, which its hooks do not like, and 8 M
    parameters leave nothing to gain from overlapping the transfer with the backward pass.
    """
    if not dist.is_initialized():
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = mean_over_ranks(torch.cat([g.flatten() for g in gradients]))
    for gradient, piece in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(piece.view_as(gradient))
