"""Waveform to one vector per code: the paper's strided convolutions, then blocks at the code rate."""

from dataclasses import dataclass
from itertools import pairwise
from math import prod

from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from vqaudio.models.convnext import ConvNeXtBlock

STRIDE = 2


@dataclass(frozen=True)
class EncoderConfig:
    """widths: channels after each strided convolution; strides: of each, all 2 where none are named,
    at least 2; the hop is their product. Windows are two strides. Raises ValueError."""

    widths: tuple[int, ...] = (32, 64, 96, 160, 256, 256)
    blocks: int = 4
    kernel: int = 7
    expansion: int = 3
    strides: tuple[int, ...] = ()

    def __post_init__(self):
        if self.strides and len(self.strides) != len(self.widths):
            raise ValueError(f"{len(self.strides)} strides for {len(self.widths)} widths")
        if min(self.strides, default=STRIDE) < STRIDE:
            raise ValueError(f"strides must be at least {STRIDE}")

    @property
    def steps(self) -> tuple[int, ...]:
        """The stride of every convolution."""
        return self.strides or (STRIDE,) * len(self.widths)


class Encoder(nn.Module):
    """Strided convolutions (van den Oord et al. 2017, section 4.3: of stride 2 and window 4), then
    ConvNeXt blocks.

    Shapes: wave [B, T] with T a multiple of `hop` -> [B, T / hop, output_width].
    """

    def __init__(self, config: EncoderConfig, output_width: int):
        super().__init__()
        self.config = config
        channels = (1, *config.widths)
        self.strided = nn.ModuleList(
            nn.Conv1d(i, o, 2 * stride, stride, padding=stride // 2)
            for (i, o), stride in zip(pairwise(channels), config.steps, strict=True)
        )
        self.norm = nn.LayerNorm(config.widths[-1])
        self.blocks = nn.Sequential(
            *(
                ConvNeXtBlock(config.widths[-1], config.kernel, config.expansion)
                for _ in range(config.blocks)
            )
        )
        self.project = nn.Sequential(
            nn.LayerNorm(config.widths[-1]), nn.Linear(config.widths[-1], output_width)
        )

    @property
    def hop(self) -> int:
        return prod(self.config.steps)

    @property
    def context(self) -> int:
        """Samples, each side of a code's own `hop`, beyond which nothing changes the code."""
        # A convolution of stride 2 sees 1 step before and 2 after the first of its pair; through n
        # of them that is hop - 1 samples before and 2 * (hop - 1) after the first sample of the
        # code. Longer strides see less beyond their own, for their hop.
        blocks = self.config.blocks * (self.config.kernel // 2) * self.hop
        return 2 * (self.hop - 1) + blocks

    def forward(self, wave: Tensor) -> Tensor:
        x = rearrange(wave, "b t -> b 1 t")
        for conv, stride in zip(self.strided, self.config.steps, strict=True):
            # What an odd stride lacks on the right: padding is as long on both sides.
            x = F.gelu(conv(F.pad(x, (0, 1)) if stride % 2 else x))
        x = rearrange(x, "b c t -> b t c")
        return self.project(self.blocks(self.norm(x)))
