"""Whether a WaveNet decoder listens to its codes: what samples cost it with them and without."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from vqaudio.models.waveform_vqvae import WaveformVQVAE


class SampleBits(NamedTuple):
    """What samples cost a decoder that is told their codes, the same codes in a random order, and no
    codes, in bits. One that these are alike to has learned to do without."""

    samples: int
    true: float
    shuffled: float
    zeroed: float

    def per_sample(self) -> dict[str, float]:
        """Means, as they are logged and reported."""
        return {
            "bits": self.true / self.samples,
            "bits_shuffled": self.shuffled / self.samples,
            "bits_zeroed": self.zeroed / self.samples,
        }


def together(clips: Iterable[SampleBits]) -> SampleBits:
    return SampleBits(*(sum(values) for values in zip(*clips, strict=True)))


@torch.inference_mode()
def sample_bits(
    model: WaveformVQVAE, wave: Tensor, vectors: Tensor, speaker: Tensor | None, seed: int
) -> SampleBits:
    """Of one clip: wave [T], vectors [1, T / hop, D], speaker int64 [1] or None, on one device.

    seed: of the random order, which is the same on every device.
    """
    order = torch.randperm(vectors.shape[1], generator=torch.Generator().manual_seed(seed))
    told = (vectors, vectors[:, order.to(vectors.device)], torch.zeros_like(vectors))
    sums = (model.decoder.nll(heard, wave[None], speaker).double().sum().item() for heard in told)
    return SampleBits(len(wave), *sums)
