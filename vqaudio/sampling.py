"""Codes that a prior makes up."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from vqaudio.models.code_model import CodeModel
from vqaudio.models.integer import IntegerCodeModel

Progress = Callable[[int, int], None]
"""Called with how many codes are drawn, and of how many."""


@torch.inference_mode()
def sample(
    prior: CodeModel | IntegerCodeModel,
    length: int,
    batch: int = 1,
    prompt: Tensor | None = None,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: torch.Generator | Sequence[torch.Generator] | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """Draw `batch` sequences of `length` codes: int64 [batch, length], on the prior's device.

    prompt: int64 [P] or [batch, P], codes that the sequences continue, and which are not returned;
    temperature: below 1 what is probable becomes more so, above 1 less;
    top_k: draw from this many of the most probable codes;
    top_p: draw from the fewest of the most probable codes that have this probability together, after
    temperature and top_k (Holtzman et al. 2020);
    generator: on the CPU, whatever the prior's device, for all sequences or one for each; torch's own
    if there is none;
    progress: called with how many codes of each sequence are drawn, and `length`.

    The same generator state gives the same codes. Raises ValueError for arguments out of range.
    """
    _check(length, batch, temperature, top_k, top_p)
    # Drawn on the CPU: wherever the prior runs, rounding alone can make it another code, and only
    # where the draw falls on the edge between two.
    uniform = _uniform(length, batch, generator)
    state = prior.start(batch)
    logits, state = prior.step(None, state)
    uniform = uniform.to(logits.device)
    if prompt is not None:
        for previous in _tail(prompt, prior, batch).to(logits.device).unbind(1):
            logits, state = prior.step(previous, state)
    codes = torch.empty(batch, length, dtype=torch.int64, device=logits.device)
    for n in range(length):
        probabilities = narrow(logits, temperature, top_k, top_p)
        codes[:, n] = drawn = pick(probabilities, uniform[n])
        if progress is not None:
            progress(n + 1, length)
        if n + 1 < length:
            logits, state = prior.step(drawn, state)
    return codes


def _uniform(
    length: int, batch: int, generator: torch.Generator | Sequence[torch.Generator] | None
) -> Tensor:
    """Numbers in [0, 1), float64 [length, batch, 1]."""
    if generator is None or isinstance(generator, torch.Generator):
        return torch.rand(length, batch, 1, dtype=torch.float64, generator=generator)
    if len(generator) != batch:
        raise ValueError(f"{len(generator)} generators do not fit {batch} sequences")
    rows = [torch.rand(length, dtype=torch.float64, generator=one) for one in generator]
    return torch.stack(rows, dim=1).unsqueeze(-1)


def narrow(
    logits: Tensor, temperature: float, top_k: int | None = None, top_p: float | None = None
) -> Tensor:
    """Logits [B, K] -> the probabilities to draw from, float64 [B, K]."""
    logits = logits.double()
    # Of the difference to the largest no temperature makes an infinity that is worth anything.
    logits = logits - logits.amax(dim=-1, keepdim=True)
    probabilities = F.softmax(logits / temperature, dim=-1)
    if top_k is None and top_p is None:
        return probabilities
    ordered, codes = probabilities.sort(dim=-1, descending=True, stable=True)
    if top_k is not None:
        ordered[:, top_k:] = 0
        ordered /= ordered.sum(dim=-1, keepdim=True)
    if top_p is not None:
        # What comes before a code decides whether it is needed, so that the first always is.
        before = ordered.cumsum(dim=-1) - ordered
        ordered[before >= top_p] = 0
        ordered /= ordered.sum(dim=-1, keepdim=True)
    return torch.zeros_like(probabilities).scatter_(-1, codes, ordered)


def pick(probabilities: Tensor, uniform: Tensor) -> Tensor:
    """The code at which the cumulative probability passes `uniform` [B, 1], in [0, 1): int64 [B]."""
    cumulative = probabilities.cumsum(dim=-1)
    # Scaled to the last sum, which rounding keeps from being 1: never past the last possible code.
    return torch.searchsorted(cumulative, uniform * cumulative[:, -1:], right=True).squeeze(-1)


def _tail(prompt: Tensor, prior: CodeModel | IntegerCodeModel, batch: int) -> Tensor:
    """What of the prompt can matter, int64 [batch, P]."""
    if prompt.ndim not in (1, 2) or not prompt.numel():
        raise ValueError("a prompt needs at least one code")
    if prompt.ndim == 2 and len(prompt) not in (1, batch):
        raise ValueError(f"a prompt of {len(prompt)} rows does not fit {batch} sequences")
    if int(prompt.min()) < 0 or int(prompt.max()) >= prior.codebook_size:
        raise ValueError(f"the codes of a prompt must be in 0..{prior.codebook_size - 1}")
    return prompt[..., -prior.receptive_field :].expand(batch, -1)


def _check(
    length: int, batch: int, temperature: float, top_k: int | None, top_p: float | None
) -> None:
    if length < 1 or batch < 1:
        raise ValueError(f"length and batch must be at least 1, not {length} and {batch}")
    if not 0 < temperature < math.inf:
        raise ValueError(f"temperature must be above 0, not {temperature}")
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k must be at least 1, not {top_k}")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p must be in (0, 1], not {top_p}")
