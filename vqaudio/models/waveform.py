"""The paper's decoder: codes to samples, one 8-bit mu-law sample after the other, by a WaveNet."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torchaudio.functional import mu_law_decoding, mu_law_encoding

from vqaudio.config import from_dict
from vqaudio.models.code_model import CodeModel, CodeModelConfig
from vqaudio.models.convnext import ConvNeXtBlock
from vqaudio.models.wavenet import WaveNetConfig
from vqaudio.models.wavenet_sampler import WaveNetSampler

LEVELS = 256
"""Values of a sample: mu-law of 8 bits, as G.711 spaces them."""
CODES_AT_ONCE = 64
"""Codes whose conditions are worked out for all layers at a time while sampling."""

Progress = Callable[[int, int], None]
"""Called with how many codes have become samples, and of how many."""


def paper_network() -> WaveNetConfig:
    """Sees 3070 samples back, .19 s at 16 kHz. The paper does not say how deep its own was."""
    dilations = tuple(2**i for i in range(10))
    return WaveNetConfig(width=128, skip=256, kernel=2, dilations=dilations, cycles=3)


@dataclass(frozen=True)
class WaveformDecoderConfig:
    """`width`: of the condition that codes and speaker make; `blocks` of `kernel` and `expansion`
    look at neighbouring codes; `speakers`: how many there are, 0 for a decoder that is not told."""

    width: int = 128
    blocks: int = 4
    kernel: int = 7
    expansion: int = 3
    speakers: int = 0
    network: WaveNetConfig = field(default_factory=paper_network)

    def __post_init__(self):
        if self.width < 1 or min(self.blocks, self.speakers) < 0:
            raise ValueError("decoder: width must be at least 1, blocks and speakers at least 0")

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.network.kind, **asdict(self)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "WaveformDecoderConfig":
        """Raises ValueError, in one line, for an unknown kind or key or a wrong type."""
        values = dict(values)
        kind = values.pop("kind", None)
        if kind != WaveNetConfig.kind:
            raise ValueError(f"decoder.kind must be {WaveNetConfig.kind}, not {kind}")
        return from_dict(cls, values)


class WaveformDecoder(nn.Module):
    """How probable each sample is, given those before it, the codes and the speaker (van den Oord et
    al. 2017, section 4.3).

    ConvNeXt blocks at the code rate turn codes into conditions; the speaker's embedding, which is
    what a one-hot vector times a matrix is, is added to each. A condition goes with the `hop` samples
    of its code, and is projected for each layer before it is repeated, not after.

    Everywhere below vectors is [B, N, input_width] and wave [B, N * hop], in [-1, 1]; speaker is int64
    [B], None where the configuration has no speakers.
    """

    def __init__(self, config: WaveformDecoderConfig, input_width: int, hop: int):
        super().__init__()
        self.config, self.hop = config, hop
        self.embed = nn.Linear(input_width, config.width)
        self.blocks = nn.Sequential(
            *(
                ConvNeXtBlock(config.width, config.kernel, config.expansion)
                for _ in range(config.blocks)
            )
        )
        self.norm = nn.LayerNorm(config.width)
        self.speakers = nn.Embedding(config.speakers, config.width) if config.speakers else None
        self.samples = CodeModel(CodeModelConfig(LEVELS, config.width, config.network))

    @property
    def receptive_field(self) -> int:
        """Samples before a sample on which its prediction depends, beside the codes."""
        return self.samples.receptive_field

    def condition(self, vectors: Tensor, speaker: Tensor | None = None) -> Tensor:
        """What the WaveNet is told: [B, N, width], an item for each code."""
        if (speaker is None) != (self.speakers is None):
            raise ValueError(f"this decoder takes {'no' if speaker is not None else 'a'} speaker")
        condition = self.norm(self.blocks(self.embed(vectors)))
        return condition if speaker is None else condition + self.speakers(speaker).unsqueeze(1)

    def nll(self, vectors: Tensor, wave: Tensor, speaker: Tensor | None = None) -> Tensor:
        """What each sample costs given those before it, in bits: float32 [B, N * hop]."""
        return self.samples.bits(to_levels(wave), self.condition(vectors, speaker))

    @torch.inference_mode()
    def sample(
        self,
        vectors: Tensor,
        speaker: Tensor | None = None,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        temperature: float = 1.0,
        progress: Progress | None = None,
    ) -> Tensor:
        """Draw the samples of a batch of clips one after the other: wave float32 [B, N * hop].

        generator: on the CPU, for all clips or one for each; torch's own if there is none;
        temperature: below 1 what is probable becomes more so; progress: called a few times a second.

        The same generator state gives the same samples, those that `nll` predicts.
        """
        with torch.autocast(vectors.device.type, enabled=False):
            condition = self.condition(vectors, speaker)
            return self.sample_conditioned(condition, generator, temperature, progress)

    @torch.inference_mode()
    def sample_conditioned(
        self,
        condition: Tensor,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        temperature: float = 1.0,
        progress: Progress | None = None,
    ) -> Tensor:
        """`sample` from what `condition` gives, [B, N, width]. What comes after a code changes nothing
        here, so that clips of several lengths can be drawn as one batch."""
        batch, codes, _ = condition.shape
        sampler = WaveNetSampler(self.samples, batch, self.hop, CODES_AT_ONCE, temperature)
        uniform = draws(codes * self.hop, batch, generator).to(condition.device)
        pieces = []
        for first in range(0, codes, CODES_AT_ONCE):
            piece = slice(first, first + CODES_AT_ONCE)
            drawn = uniform[first * self.hop : (first + CODES_AT_ONCE) * self.hop]
            pieces.append(sampler.sample(condition[:, piece], drawn))
            if progress is not None:
                progress(min(first + CODES_AT_ONCE, codes), codes)
        return from_levels(torch.cat(pieces, dim=1))


def to_levels(wave: Tensor) -> Tensor:
    """float [...], what is beyond [-1, 1] taken as its end -> int64 [...] in [0, 256), mu-law."""
    return mu_law_encoding(wave.float().clamp(-1, 1), LEVELS)


def from_levels(levels: Tensor) -> Tensor:
    """The middle of each level: int64 [...] -> float32 [...] in [-1, 1]."""
    return mu_law_decoding(levels, LEVELS)


def draws(
    length: int, batch: int, generator: torch.Generator | Sequence[torch.Generator] | None
) -> Tensor:
    """Numbers in [0, 1), float64 [length, batch, 1], on the CPU whatever draws by them: a clip's are
    the same in every batch if it has a generator of its own."""
    if generator is None or isinstance(generator, torch.Generator):
        return torch.rand(length, batch, 1, dtype=torch.float64, generator=generator)
    if len(generator) != batch:
        raise ValueError(f"{len(generator)} generators do not fit {batch} clips")
    rows = [torch.rand(length, dtype=torch.float64, generator=one) for one in generator]
    return torch.stack(rows, dim=1).unsqueeze(-1)
