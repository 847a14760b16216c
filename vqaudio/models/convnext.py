"""The residual block that encoder and decoder share."""

from einops import rearrange
from torch import Tensor, nn

from vqaudio.models.linear import linear


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution over time, then a two-layer perceptron over channels, added to the input.

    Liu et al. 2022 (*A ConvNet for the 2020s*) in one dimension, as Vocos uses it. Nearly all of
    its arithmetic is two matrix products, which is what CPUs and GPUs do best.

    Shapes: [B, T, C] -> [B, T, C]. Sees `kernel // 2` steps each side. modulation: a factor and a
    summand, [B, 1, C], that go on what the perceptron sees.
    """

    def __init__(self, width: int, kernel: int = 7, expansion: int = 3, scale: float = 1.0):
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, expansion * width)
        self.down = nn.Linear(expansion * width, width)
        # Blocks start small so that a deep stack starts as nearly the identity.
        nn.init.normal_(self.down.weight, std=0.02 * scale)
        nn.init.zeros_(self.down.bias)

    def forward(self, x: Tensor, modulation: tuple[Tensor, Tensor] | None = None) -> Tensor:
        y = rearrange(self.depthwise(rearrange(x, "b t c -> b c t")), "b c t -> b t c")
        y = self.norm(y)
        if modulation is not None:
            factor, summand = modulation
            y = factor * y + summand
        return x + linear(linear(y, self.up, "gelu"), self.down)
