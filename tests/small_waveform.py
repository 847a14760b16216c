"""A small WaveNet decoder with random weights, and its samples drawn the slow ways."""

import torch
from torch import Tensor

from vqaudio.models.encoder import EncoderConfig
from vqaudio.models.quantizer import QuantizerConfig
from vqaudio.models.waveform import WaveformDecoder, WaveformDecoderConfig, draws, from_levels
from vqaudio.models.waveform_vqvae import WaveformVQVAE, WaveformVQVAEConfig
from vqaudio.models.wavenet import WaveNetConfig
from vqaudio.models.wavenet_sampler import pick

HOP, DIM = 8, 6
NETWORK = WaveNetConfig(width=12, skip=16, kernel=2, dilations=(1, 2, 4), cycles=2)
CONFIG = WaveformDecoderConfig(width=10, blocks=1, kernel=3, expansion=2, network=NETWORK)


@torch.no_grad()
def small_decoder(network: WaveNetConfig = NETWORK, speakers: int = 0) -> WaveformDecoder:
    """Weights large enough for everything to matter."""
    torch.manual_seed(0)
    config = WaveformDecoderConfig(10, 1, 3, 2, speakers, network)
    decoder = WaveformDecoder(config, DIM, HOP).eval()
    for parameter in decoder.parameters():
        parameter.mul_(2)
    return decoder


def some_vectors(batch: int, codes: int) -> Tensor:
    return torch.randn(batch, codes, DIM, generator=torch.Generator().manual_seed(1))


@torch.inference_mode()
def naive(
    decoder: WaveformDecoder,
    vectors: Tensor,
    generator: torch.Generator,
    speaker: Tensor | None = None,
    temperature: float = 1.0,
) -> Tensor:
    """`decoder.sample` by a full pass over all that came before, for each sample."""
    condition = decoder.condition(vectors, speaker)
    batch, length = len(vectors), vectors.shape[1] * decoder.hop
    uniform = draws(length, batch, generator).to(vectors.device)
    levels = torch.zeros(batch, length, dtype=torch.int64, device=vectors.device)
    for n in range(length):
        codes = n // decoder.hop + 1
        logits = decoder.samples(levels[:, : codes * decoder.hop], condition[:, :codes])[:, n]
        pick(logits, uniform[n], temperature, out=levels[:, n])
    return from_levels(levels)


SPEAKERS = ["1455", "2414"]
"""Of the clips in tests/speech."""


@torch.no_grad()
def small_model() -> WaveformVQVAE:
    """A whole model, of 16 samples a code, that is told who speaks; large weights as above."""
    torch.manual_seed(0)
    model = WaveformVQVAE(
        WaveformVQVAEConfig(
            encoder=EncoderConfig(widths=(4, 8, 12, 16), blocks=1, expansion=2),
            quantizer=QuantizerConfig(codebook_size=32, dim=4),
            decoder=WaveformDecoderConfig(16, 1, 3, 2, len(SPEAKERS), NETWORK),
        )
    )
    for parameter in model.parameters():
        parameter.mul_(2)
    # Else all speech has one code.
    model.encoder.strided[0].weight.mul_(50)
    vectors = model.encoder(torch.randn(1, 32 * model.hop) / 10)
    model.quantizer.codebook.copy_(model.quantizer.on_sphere(vectors)[0])
    return model.eval()
