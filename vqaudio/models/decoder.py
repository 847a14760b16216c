"""Code vectors to waveform: blocks at a low rate, then an inverse STFT does the upsampling."""

from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from vqaudio.models.convnext import ConvNeXtBlock
from vqaudio.models.linear import linear
from vqaudio.models.voices import Modulation


@dataclass(frozen=True)
class DecoderConfig:
    """`frame_hop`: samples per decoder frame, a multiple of the code hop or a part of it. Where a frame
    spans several codes they enter side by side, so that the blocks run at half the code rate and the
    same parameters cost half the arithmetic. Where a code spans several frames, each of them sees the
    codes around by weights of its own."""

    width: int = 384
    blocks: int = 6
    kernel: int = 7
    expansion: int = 3
    window: int = 512
    frame_hop: int = 128


class Decoder(nn.Module):
    """ConvNeXt blocks and an inverse-STFT head (Siuzdak 2023, *Vocos*).

    Shapes: [B, N, input_width] -> wave [B, N * hop], N a multiple of `codes_per_frame`. Of that and
    `frames_per_code` one is 1. With a `told_width` also what the decoder is told: [B, told_width].
    """

    def __init__(self, config: DecoderConfig, input_width: int, hop: int, told_width: int = 0):
        super().__init__()
        self.config, self.told_width = config, told_width
        self.codes_per_frame = max(config.frame_hop // hop, 1)
        self.frames_per_code = max(hop // config.frame_hop, 1)
        if self.codes_per_frame * hop != self.frames_per_code * config.frame_hop:
            raise ValueError(
                f"frame_hop {config.frame_hop} is neither a multiple nor a part of the hop {hop}"
            )
        if self.codes_per_frame > 4:  # a file may end in this many codes that nobody asked for
            raise ValueError(f"frame_hop {config.frame_hop} is more than 4 hops of {hop}")
        if config.window < 2 * config.frame_hop:  # windows must overlap, or gaps divide by zero
            raise ValueError(f"window {config.window} is under two frames of {config.frame_hop}")
        self.embed = nn.Conv1d(
            self.codes_per_frame * input_width,
            self.frames_per_code * config.width,
            config.kernel,
            padding=config.kernel // 2,
        )
        self.norm = nn.LayerNorm(config.width)
        self.blocks = nn.Sequential(
            *(
                ConvNeXtBlock(config.width, config.kernel, config.expansion)
                for _ in range(config.blocks)
            )
        )
        self.head = InverseSTFTHead(config.width, config.window, config.frame_hop)
        told = config.blocks if told_width else 0
        self.modulations = nn.ModuleList(Modulation(told_width, config.width) for _ in range(told))

    @property
    def span(self) -> int:
        """Samples of the shortest wave it makes: a frame, or a code."""
        return self.config.frame_hop * self.frames_per_code

    @property
    def context(self) -> int:
        """Codes, each side, beyond which nothing changes the samples of a `span`."""
        overlap = -(-(self.config.window - self.config.frame_hop) // (2 * self.config.frame_hop))
        reach = self.config.kernel // 2
        frames = self.config.blocks * reach + overlap
        return (reach + -(-frames // self.frames_per_code)) * self.codes_per_frame

    def forward(self, vectors: Tensor, told: Tensor | None = None) -> Tensor:
        if (told is None) != (self.told_width == 0):
            raise ValueError(f"this decoder is told {'a' if told is None else 'no'} voice")
        x = rearrange(vectors, "b (t f) d -> b (f d) t", f=self.codes_per_frame)
        x = rearrange(self.embed(x), "b (u c) t -> b (t u) c", u=self.frames_per_code)
        x = self.norm(x)
        if told is None:
            return self.head(self.blocks(x))
        for block, modulation in zip(self.blocks, self.modulations, strict=True):
            x = block(x, modulation(told))
        return self.head(x)


class InverseSTFTHead(nn.Module):
    """A magnitude and a phase for every bin of every frame, overlap-added to samples.

    Shapes: [B, T, C] -> [B, T * hop]. Float32 inside, whatever autocast says: phases need it.
    """

    def __init__(self, width: int, window: int, hop: int):
        super().__init__()
        self.hop = hop
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, window + 2)
        self.register_buffer("window", torch.hann_window(window), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        log_magnitude, phase = linear(self.norm(x), self.project).float().chunk(2, dim=-1)
        # The clamp is Vocos's: an early step must not blow the magnitudes up.
        magnitude = log_magnitude.clamp(max=4.6).exp()
        frames = torch.fft.irfft(torch.polar(magnitude, phase)) * self.window
        return self._overlap_add(frames) / self._overlap_add(
            self.window.square().expand_as(frames[:1])
        )

    def _overlap_add(self, frames: Tensor) -> Tensor:
        """[B, T, window] -> [B, T * hop], each frame centred on its own `hop` samples."""
        count, window = frames.shape[1:]
        margin = (window - self.hop) // 2
        wave = F.fold(
            rearrange(frames, "b t w -> b w t"),
            output_size=(1, (count - 1) * self.hop + window),
            kernel_size=(1, window),
            stride=(1, self.hop),
        )
        return wave[:, 0, 0, margin : margin + count * self.hop]
