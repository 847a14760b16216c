"""A small causal Transformer with rotary positions and a sliding window: the WaveNet's yardstick."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from vqaudio.models.linear import linear


@dataclass(frozen=True)
class TransformerConfig:
    """`window`: steps, itself included, to which a step attends in each layer."""

    kind: ClassVar[str] = "transformer"

    width: int = 256
    layers: int = 6
    heads: int = 4
    expansion: int = 4
    window: int = 320

    def __post_init__(self):
        if min(self.layers, self.heads, self.expansion, self.window) < 1:
            raise ValueError("transformer: layers, heads, expansion, window must be at least 1")
        if self.width < 1 or self.width % (2 * self.heads):
            raise ValueError(
                f"transformer: width {self.width} is not a multiple of 2 x {self.heads} heads"
            )


@dataclass
class TransformerState:
    """caches: for each layer its latest keys and values [2, B, heads, window, width of a head], a
    ring; position: steps so far."""

    batch: int
    caches: list[Tensor]
    position: int = 0


class Transformer(nn.Module):
    """A causal network, as WaveNet: [B, N, input_width] -> [B, N, output_width], any N.

    Time and memory grow with N * window. A condition, if `condition_width` is not 0, is added to the
    input: [B, 1, condition_width] for all steps or [B, N, condition_width] for each.
    """

    def __init__(self, config: TransformerConfig, condition_width: int = 0):
        super().__init__()
        self.config = config
        self.condition = (
            nn.Linear(condition_width, config.width, bias=False) if condition_width else None
        )
        self.layers = nn.ModuleList(TransformerLayer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        half = config.width // config.heads // 2
        frequencies = 10_000.0 ** (-torch.arange(half) / half)
        self.register_buffer("frequencies", frequencies, persistent=False)

    @property
    def input_width(self) -> int:
        return self.config.width

    @property
    def output_width(self) -> int:
        return self.config.width

    @property
    def receptive_field(self) -> int:
        """Inputs, the newest included, on which an output depends."""
        return 1 + self.config.layers * (self.config.window - 1)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        turn = self._turn(torch.arange(x.shape[1], device=x.device))
        x = self._conditioned(x, condition)
        for layer in self.layers:
            x = layer(x, turn)
        return self.norm(x)

    def start(self, batch: int) -> TransformerState:
        c = self.config
        size = (2, batch, c.heads, c.window, c.width // c.heads)
        return TransformerState(batch, [self.norm.weight.new_zeros(size) for _ in self.layers])

    def step(self, x: Tensor, state: TransformerState, condition: Tensor | None = None) -> Tensor:
        """One more step: x [B, input_width] -> [B, output_width]. Changes `state`."""
        turn = self._turn(torch.tensor([state.position], device=x.device))
        x = self._conditioned(x, condition).unsqueeze(1)
        for layer, cache in zip(self.layers, state.caches, strict=True):
            x = layer.step(x, turn, cache, state.position)
        state.position += 1
        return self.norm(x).squeeze(1)

    def _conditioned(self, x: Tensor, condition: Tensor | None) -> Tensor:
        return x if self.condition is None else x + linear(condition, self.condition)

    def _turn(self, positions: Tensor) -> Tensor:
        """Complex [N, half a head]: what positions multiply queries and keys by."""
        # Angles in float64: an hour is 900 thousand positions, too many for exact float32 turns.
        angles = positions.double().unsqueeze(-1) * self.frequencies
        return torch.polar(torch.ones_like(angles), angles).to(torch.complex64)


class TransformerLayer(nn.Module):
    """Attention, then a two-layer perceptron: each reads x normalised and adds to x."""

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.heads, self.window = config.heads, config.window
        self.attention_norm = nn.LayerNorm(config.width)
        self.project = nn.Linear(config.width, 3 * config.width)
        self.merge = nn.Linear(config.width, config.width)
        self.perceptron_norm = nn.LayerNorm(config.width)
        self.up = nn.Linear(config.width, config.expansion * config.width)
        self.down = nn.Linear(config.expansion * config.width, config.width)
        # Layers start small so that a deep stack starts as nearly the identity.
        for layer in (self.merge, self.down):
            nn.init.normal_(layer.weight, std=0.02 / config.layers**0.5)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, turn: Tensor) -> Tensor:
        """x [B, N, width] -> the same."""
        return self._add(x, sliding_attention(*self._heads(x, turn), self.window))

    def step(self, x: Tensor, turn: Tensor, cache: Tensor, position: int) -> Tensor:
        """The same for one step, x [B, 1, width]; the cache takes it in the place of its oldest."""
        query, key, value = self._heads(x, turn)
        cache[0, :, :, position % self.window] = key[:, :, 0]
        cache[1, :, :, position % self.window] = value[:, :, 0]
        keys, values = cache[:, :, :, : position + 1]
        return self._add(x, F.scaled_dot_product_attention(query, keys, values))

    def _heads(self, x: Tensor, turn: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values [B, heads, N, width of a head], the first two turned."""
        y = linear(self.attention_norm(x), self.project)
        query, key, value = rearrange(y, "b n (s h d) -> s b h n d", s=3, h=self.heads)
        return _rotate(query, turn), _rotate(key, turn), value

    def _add(self, x: Tensor, attended: Tensor) -> Tensor:
        x = x + linear(rearrange(attended, "b h n d -> b n (h d)"), self.merge)
        return x + linear(linear(self.perceptron_norm(x), self.up, "gelu"), self.down)


def sliding_attention(query: Tensor, key: Tensor, value: Tensor, window: int) -> Tensor:
    """Causal attention to the latest `window` positions, each [B, H, N, D] -> [B, H, N, D].

    Longer sequences go in blocks of `window` that see their own block and the one before.
    """
    batch, _, length, _ = query.shape
    if length <= window:
        return F.scaled_dot_product_attention(query, key, value, is_causal=True)
    pad = -length % window
    query, key, value = (
        rearrange(F.pad(x, (0, 0, 0, pad)), "b h (t w) d -> (b h) t w d", w=window)
        for x in (query, key, value)
    )
    # The block before the first is of zeros, which nobody may see.
    key, value = (torch.cat([F.pad(x, (0, 0, 0, 0, 1, 0))[:, :-1], x], dim=2) for x in (key, value))
    rows = torch.arange(window, device=query.device).unsqueeze(1)
    columns = torch.arange(2 * window, device=query.device)
    band = (rows < columns) & (columns <= rows + window)
    # Four dimensions, or it is not the fused attention that runs on CPUs.
    seen = band.repeat(1, query.shape[1], 1, 1)
    seen[0, 0, :, :window] = False
    result = F.scaled_dot_product_attention(query, key, value, attn_mask=seen)
    return rearrange(result, "(b h) t w d -> b h (t w) d", b=batch)[:, :, :length]


def _rotate(x: Tensor, turn: Tensor) -> Tensor:
    """Each pair of channels as a complex number, turned (Su et al. 2021). [B, H, N, D]."""
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)).contiguous())
    return torch.view_as_real(pairs * turn).flatten(-2).to(x.dtype)
