"""Encoder, quantiser and decoder in one: the speech VQ-VAE of van den Oord et al. 2017."""

from dataclasses import asdict, dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vqaudio.config import from_dict
from vqaudio.models.decoder import Decoder, DecoderConfig
from vqaudio.models.encoder import Encoder, EncoderConfig
from vqaudio.models.quantizer import Quantized, QuantizerConfig, VectorQuantizer
from vqaudio.models.voices import Voice, Voices, VoicesConfig


@dataclass(frozen=True)
class VQVAEConfig:
    sample_rate: int = 16000
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    quantizer: QuantizerConfig = field(default_factory=QuantizerConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    voices: VoicesConfig = field(default_factory=VoicesConfig)

    def to_dict(self) -> dict:
        values = asdict(self)
        # Fingerprints are of this: without what came later it stays what it was.
        if not self.encoder.strides:
            del values["encoder"]["strides"]
        if not self.voices.speakers:
            del values["voices"]
        return values

    @classmethod
    def from_dict(cls, values: dict) -> "VQVAEConfig":
        return from_dict(cls, values)


class Reconstruction(NamedTuple):
    """wave: [B, T]; z: [B, N, D], the vectors as the quantiser compares them; quantized: or None."""

    wave: Tensor
    z: Tensor
    quantized: Quantized | None


class VQVAE(nn.Module):
    """wave [B, T] at `sample_rate` <-> indices [B, T / hop].

    `encode` and `decode` pad every layer with zeros at the ends of what they are given, as in
    training. Within `encoder_context` samples or `decoder_context` codes of an end the result
    therefore depends on where the end is; further inside it does not. `vqaudio.codec` crops.

    voice: None for a model without voices, and only then.
    """

    def __init__(self, config: VQVAEConfig):
        super().__init__()
        self.config = config
        self.encoder = Encoder(config.encoder, config.quantizer.dim)
        self.quantizer = VectorQuantizer(config.quantizer)
        self.voices = (
            Voices(config.voices, config.quantizer.dim) if config.voices.speakers else None
        )
        told = config.voices.width if self.voices is not None else 0
        self.decoder = Decoder(config.decoder, config.quantizer.dim, self.encoder.hop, told)

    @property
    def sample_rate(self) -> int:
        return self.config.sample_rate

    @property
    def codebook_size(self) -> int:
        return self.config.quantizer.codebook_size

    @property
    def hop(self) -> int:
        """Samples per code."""
        return self.encoder.hop

    @property
    def frame(self) -> int:
        """Samples per decoder frame, or per code where that is longer: wave lengths are multiples of
        this."""
        return self.decoder.span

    @property
    def encoder_context(self) -> int:
        """Samples each side on which a code depends, rounded up to whole frames."""
        return -(-self.encoder.context // self.frame) * self.frame

    @property
    def decoder_context(self) -> int:
        """Codes each side on which a sample depends: a whole number of frames."""
        return self.decoder.context

    def forward(
        self, wave: Tensor, quantize: bool = True, voice: Voice | None = None
    ) -> Reconstruction:
        """The training pass. wave: [B, T], T a multiple of `frame`. Without `quantize` the vectors go
        to the decoder as they are: how training starts, before there is a codebook worth using."""
        z_e = self.encoder(wave)
        z = self.quantizer.on_sphere(z_e)
        if not quantize:
            return Reconstruction(self.decoder(z, self._told(voice)), z, None)
        quantized = self.quantizer(z)
        wave = self.decoder(quantized.vectors, self._told(voice))
        return Reconstruction(wave, z, quantized)

    @torch.inference_mode()
    def encode(self, wave: Tensor) -> Tensor:
        """[B, T], T a multiple of `frame` -> int64 [B, T / hop]."""
        return self.quantizer.nearest(self.quantizer.on_sphere(self.encoder(wave)))

    @torch.inference_mode()
    def decode(self, indices: Tensor, voice: Voice | None = None) -> Tensor:
        """int64 [B, N], a whole number of frames, -1 where there is no code -> [B, N * hop]."""
        return self.decoder(self.quantizer.lookup(indices), self._told(voice))

    def _told(self, voice: Voice | None) -> Tensor | None:
        if voice is not None and self.voices is None:
            raise ValueError("this model has no voices")
        return None if voice is None else self.voices(voice)
