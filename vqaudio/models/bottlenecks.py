"""What can stand in the quantiser's place, to learn by comparison what the quantiser is worth."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vqaudio.models.quantizer import Quantized, QuantizerConfig, VectorQuantizer

VQ, UNTAUGHT, CONTINUOUS, GAUSSIAN, SCALAR = "vq", "vq-untaught", "continuous", "gaussian", "scalar"


@dataclass(frozen=True)
class BottleneckConfig:
    """`kind`: "vq", the codec's own; "vq-untaught", the same without straight-through; "continuous",
    "gaussian" or "scalar". `bits` a code is what the Gaussian is held to; `levels` are the scalars'.
    Raises ValueError."""

    kind: str = VQ
    bits: float = 9.0
    levels: tuple[int, ...] = (8, 8, 8)

    def __post_init__(self):
        kinds = (VQ, UNTAUGHT, CONTINUOUS, GAUSSIAN, SCALAR)
        if self.kind not in kinds:
            raise ValueError(f"bottleneck must be one of {', '.join(kinds)}, not {self.kind}")
        if min(self.levels, default=0) < 3:
            raise ValueError("a bottleneck's levels must be at least 3 each")

    def make(self, quantizer: QuantizerConfig) -> nn.Module:
        """As VectorQuantizer is called: `on_sphere`, then on [B, N, dim] for a Quantized. Raises
        ValueError where scalars would be another number of codes."""
        if self.kind == CONTINUOUS:
            return Continuous()
        if self.kind == GAUSSIAN:
            return Gaussian(quantizer.dim, self.bits)
        if self.kind == SCALAR:
            if math.prod(self.levels) != quantizer.codebook_size:
                raise ValueError(f"levels {self.levels} are not {quantizer.codebook_size} codes")
            return FiniteScalar(quantizer.dim, self.levels)
        return (UntaughtQuantizer if self.kind == UNTAUGHT else VectorQuantizer)(quantizer)


class UntaughtQuantizer(VectorQuantizer):
    """No straight-through copy: what the decoder wants does not reach the encoder, which learns by the
    commitment term alone."""

    def forward(self, z: Tensor) -> Quantized:
        quantized = super().forward(z)
        return quantized._replace(vectors=quantized.vectors.detach())


class Continuous(nn.Module):
    """No bottleneck but the width: an autoencoder, with no rate. `indices` are none, int64 [B, 0]."""

    def on_sphere(self, vectors: Tensor) -> Tensor:
        """[..., D] -> the same as float32: no sphere."""
        return vectors.float()

    def forward(self, z: Tensor) -> Quantized:
        indices = torch.empty(len(z), 0, dtype=torch.int64, device=z.device)
        return Quantized(z, indices, codebook_loss=z.new_zeros(()), commitment_loss=z.new_zeros(()))


class Gaussian(Continuous):
    """The latent of a VAE (Kingma and Welling 2014), held to a rate: a sample of a diagonal normal
    distribution, whose KL divergence from the standard normal is what it costs to send.

    commitment_loss: how far, in bits a code, the mean KL over the batch is from `bits` (Burgess et
    al. 2018, equation 8, in the place of the plain KL). Codes may cost more here than there: only
    the mean is held, which is more freedom than equally long codes have. It begins as nearly the
    vectors that it gets, far above its rate: from noise there is nothing to learn.
    """

    def __init__(self, dim: int, bits: float):
        super().__init__()
        self.bits = bits
        self.moments = nn.Linear(dim, 2 * dim)
        with torch.no_grad():
            self.moments.weight.copy_(torch.eye(2 * dim, dim))
            self.moments.bias.copy_(torch.tensor([0.0, -4.0]).repeat_interleave(dim))
        # How often it has drawn in training; the noise follows from that, in a resumed run as well.
        self.register_buffer("draws", torch.zeros((), dtype=torch.int64))

    def forward(self, z: Tensor) -> Quantized:
        mean, log_variance = self.moments(z).float().chunk(2, dim=-1)
        vectors = mean + (0.5 * log_variance).exp() * self._noise(mean)
        apart = (self._bits(mean, log_variance) - self.bits).abs()
        return super().forward(vectors)._replace(commitment_loss=apart)

    def rate(self, z: Tensor) -> Tensor:
        """[B, N, D] -> mean bits a code, a scalar."""
        return self._bits(*self.moments(z).float().chunk(2, dim=-1))

    @staticmethod
    def _bits(mean: Tensor, log_variance: Tensor) -> Tensor:
        nats = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)
        return nats.sum(-1).mean() / math.log(2)

    def _noise(self, like: Tensor) -> Tensor:
        """Other noise every time in training, and always the same when a model is judged."""
        if self.training:
            self.draws += 1
        seed = int(self.draws) if self.training else 0
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(like.shape, generator=generator).to(like.device)


class FiniteScalar(nn.Module):
    """Each of a few numbers rounded to one of its levels (Mentzer et al. 2023, FSQ): as many codes as
    the levels have combinations, and nothing to learn or to collapse. No loss of its own."""

    def __init__(self, dim: int, levels: tuple[int, ...]):
        super().__init__()
        self.down, self.up = nn.Linear(dim, len(levels)), nn.Linear(len(levels), dim)
        sizes = torch.tensor(levels)
        self.register_buffer("levels", sizes, persistent=False)
        self.register_buffer("places", sizes.cumprod(0) // sizes, persistent=False)

    def on_sphere(self, vectors: Tensor) -> Tensor:
        """[..., D] -> the same as float32: no sphere."""
        return vectors.float()

    def bound(self, scalars: Tensor) -> Tensor:
        """[..., levels] -> what rounds to one of the levels, those around 0: -4 to 3 for eight."""
        reach = (self.levels - 1) / 2 * (1 - 1e-3)
        offset = (1 - self.levels % 2) / 2
        return (scalars + (offset / reach).atanh()).tanh() * reach - offset

    def forward(self, z: Tensor) -> Quantized:
        bounded = self.bound(self.down(z).float())
        rounded = bounded + (bounded.round() - bounded).detach()
        half = self.levels // 2
        indices = ((rounded.detach().round().long() + half) * self.places).sum(-1)
        nothing = z.new_zeros(())
        return Quantized(self.up(rounded / half).float(), indices, nothing, nothing)
