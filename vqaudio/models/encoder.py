"""Waveform to one vector per code: the paper's strided convolutions, then blocks at the code rate."""

from dataclasses import dataclass
from itertools import pairwise

from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from vqaudio.models.convnext import ConvNeXtBlock

WINDOW, STRIDE = 4, 2


@dataclass(frozen=True)
class EncoderConfig:
    """`widths`: channels after each strided convolution; their number sets the hop, 2 ** len."""

    widths: tuple[int, ...] = (32, 64, 96, 160, 256, 256)
    blocks: int = 4
    kernel: int = 7
    expansion: int = 3


class Encoder(nn.Module):
    """Convolutions of stride 2 and window 4 (van den Oord et al. 2017, section 4.3), ConvNeXt blocks.

    Shapes: wave [B, T] with T a multiple of `hop` -> [B, T / hop, output_width].
    """

    def __init__(self, config: EncoderConfig, output_width: int):
        super().__init__()
        self.config = config
        channels = (1, *config.widths)
        self.strided = nn.ModuleList(
            nn.Conv1d(i, o, WINDOW, STRIDE, padding=1) for i, o in pairwise(channels)
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
        return STRIDE ** len(self.config.widths)

    @property
    def context(self) -> int:
        """Samples, each side of a code's own `hop`, beyond which nothing changes the code."""
        # One strided convolution sees 1 step before and 2 after its pair; through n of them that
        # is hop - 1 samples before and 2 * (hop - 1) after the first sample of the code.
        blocks = self.config.blocks * (self.config.kernel // 2) * self.hop
        return 2 * (self.hop - 1) + blocks

    def forward(self, wave: Tensor) -> Tensor:
        x = rearrange(wave, "b t -> b 1 t")
        for conv in self.strided:
            x = F.gelu(conv(x))
        x = rearrange(x, "b c t -> b t c")
        return self.project(self.blocks(self.norm(x)))
