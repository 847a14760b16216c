"""The codebook: nearest neighbour, straight-through gradient, and the paper's two loss terms."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class QuantizerConfig:
    """`l2_normalize` puts both sides of the comparison on the unit sphere, which keeps codes in use
    (Yu et al. 2022, ViT-VQGAN), as does a `dim` that is small (Yu et al. 2022; LlamaGen)."""

    codebook_size: int = 512
    dim: int = 16
    l2_normalize: bool = True


class Quantized(NamedTuple):
    """What the quantiser makes of the encoder's vectors z_e [B, N, D].

    vectors: [B, N, D], the chosen codes e, with the gradient of z_e (straight-through)
    indices: int64 [B, N]
    codebook_loss: ||sg[z_e] - e||^2, the second term of equation 3; moves e only
    commitment_loss: ||z_e - sg[e]||^2, the third term without beta; moves z_e only
    """

    vectors: Tensor
    indices: Tensor
    codebook_loss: Tensor
    commitment_loss: Tensor


class VectorQuantizer(nn.Module):
    """One codebook of K vectors (van den Oord et al. 2017, equations 1 to 3).

    The losses are squared norms as in the paper (a sum over D, a mean over vectors), not means over
    D: beta keeps its meaning whatever D is. How the codebook learns is not decided here: by
    `codebook_loss`, or by moving averages (`vqaudio.training.codebook`).
    """

    def __init__(self, config: QuantizerConfig):
        super().__init__()
        self.config = config
        # Van den Oord's uniform start; training replaces it by k-means on encoder outputs.
        bound = 1 / config.codebook_size
        self.codebook = nn.Parameter(
            torch.empty(config.codebook_size, config.dim).uniform_(-bound, bound)
        )

    def on_sphere(self, vectors: Tensor) -> Tensor:
        """[..., D] -> [..., D] at unit length if so configured, float32 either way."""
        vectors = vectors.float()
        return F.normalize(vectors, dim=-1) if self.config.l2_normalize else vectors

    def nearest(self, z: Tensor) -> Tensor:
        """Index of the nearest code. z: [B, N, D] as `on_sphere` returns it -> int64 [B, N]."""
        codes = self.on_sphere(self.codebook)
        flat = rearrange(z, "b n d -> (b n) d")
        # In bf16 one code in twenty would not be the nearest, and training would learn from it.
        with torch.autocast(z.device.type, enabled=False):
            # ||z - e||^2 without ||z||^2, which does not change the order.
            distance = codes.square().sum(-1) - 2 * flat.float() @ codes.T
        return distance.argmin(-1).view(z.shape[:2])

    def lookup(self, indices: Tensor) -> Tensor:
        """int64 [B, N] -> [B, N, D]; index -1 ("no code here") gives the zero vector."""
        vectors = F.embedding(indices.clamp_min(0), self.on_sphere(self.codebook))
        return vectors * (indices >= 0).unsqueeze(-1)

    def forward(self, z: Tensor) -> Quantized:
        """z: [B, N, D] as `on_sphere` returns it."""
        indices = self.nearest(z.detach())
        e = self.lookup(indices)
        return Quantized(
            vectors=z + (e - z).detach(),
            indices=indices,
            codebook_loss=(z.detach() - e).square().sum(-1).mean(),
            commitment_loss=(z - e.detach()).square().sum(-1).mean(),
        )
