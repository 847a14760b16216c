"""Encoder, quantiser and the paper's own decoder in one."""

from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from vqaudio.config import from_dict
from vqaudio.models.encoder import Encoder, EncoderConfig
from vqaudio.models.quantizer import Quantized, QuantizerConfig, VectorQuantizer
from vqaudio.models.waveform import WaveformDecoder, WaveformDecoderConfig


@dataclass(frozen=True)
class WaveformVQVAEConfig:
    sample_rate: int = 16000
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    quantizer: QuantizerConfig = field(default_factory=QuantizerConfig)
    decoder: WaveformDecoderConfig = field(default_factory=WaveformDecoderConfig)

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "decoder": self.decoder.to_dict()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "WaveformVQVAEConfig":
        """Raises ValueError, in one line, for an unknown kind or key or a wrong type."""
        decoder = WaveformDecoderConfig.from_dict(values.get("decoder", {}))
        return from_dict(cls, {**values, "decoder": decoder})


class Likelihood(NamedTuple):
    """bits: float32 [B, T], what each sample costs; z: [B, N, D], the vectors as the quantiser
    compares them; quantized: or None."""

    bits: Tensor
    z: Tensor
    quantized: Quantized | None


class WaveformVQVAE(nn.Module):
    """The speech VQ-VAE of van den Oord et al. 2017, section 4.3: wave [B, T] at `sample_rate` <->
    indices [B, T / hop]. Everywhere speaker is int64 [B], None for a decoder without speakers."""

    def __init__(self, config: WaveformVQVAEConfig):
        super().__init__()
        self.config = config
        self.encoder = Encoder(config.encoder, config.quantizer.dim)
        self.quantizer = VectorQuantizer(config.quantizer)
        self.decoder = WaveformDecoder(config.decoder, config.quantizer.dim, self.encoder.hop)

    @property
    def sample_rate(self) -> int:
        return self.config.sample_rate

    @property
    def codebook_size(self) -> int:
        return self.config.quantizer.codebook_size

    @property
    def hop(self) -> int:
        """Samples per code; wave lengths are multiples of this."""
        return self.encoder.hop

    def forward(
        self, wave: Tensor, speaker: Tensor | None = None, quantize: bool = True
    ) -> Likelihood:
        """The training pass. Without `quantize` the decoder is told the vectors as they are."""
        z = self.quantizer.on_sphere(self.encoder(wave))
        quantized = self.quantizer(z) if quantize else None
        vectors = z if quantized is None else quantized.vectors
        return Likelihood(self.decoder.nll(vectors, wave, speaker), z, quantized)

    @torch.inference_mode()
    def encode(self, wave: Tensor) -> Tensor:
        """[B, T] -> int64 [B, T / hop]."""
        return self.quantizer.nearest(self.quantizer.on_sphere(self.encoder(wave)))

    @torch.inference_mode()
    def decode(self, indices: Tensor, speaker: Tensor | None = None, **drawing: Any) -> Tensor:
        """int64 [B, N] -> [B, N * hop], drawn: `drawing` is what `WaveformDecoder.sample` takes."""
        return self.decoder.sample(self.quantizer.lookup(indices), speaker, **drawing)
