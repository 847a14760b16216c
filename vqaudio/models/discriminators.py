"""The critics of adversarial training: they tell recorded speech from decoded speech.

Period discriminators look at every p-th sample (HiFi-GAN, Kong et al. 2020); complex-STFT
discriminators look at real and imaginary parts at several resolutions (EnCodec, Defossez et al.
2022). Both use weight normalisation and leaky ReLU, and both return what each layer saw, which
feature matching needs.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

SLOPE = 0.1  # of the leaky ReLU, as in HiFi-GAN
GAIN = 10.0  # speech comes at -20 dB; at unit power it is not lost under the initial biases


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Which discriminators there are, and how wide.

    periods: one period discriminator each, in samples.
    period_widths: channels of its strided layers (stride 3, kernel 5), first to last.
    windows: one STFT discriminator each, window in samples (powers of two); hop a quarter.
    stft_width: channels of every layer of an STFT discriminator.
    """

    periods: tuple[int, ...] = (2, 3, 5, 7, 11)
    period_widths: tuple[int, ...] = (16, 64, 128, 256)
    windows: tuple[int, ...] = (2048, 1024, 512, 256)
    stft_width: int = 32

    def __post_init__(self) -> None:
        if not self.periods and not self.windows:
            raise ValueError("at least one discriminator is needed")
        sizes = (*self.periods, *self.period_widths, *self.windows, self.stft_width)
        if min(sizes) < 1 or not self.period_widths:
            raise ValueError("periods, widths and windows must be positive")


class PeriodDiscriminator(nn.Module):
    """Convolutions along time over every `period`-th sample, phases side by side in the batch."""

    def __init__(self, period: int, widths: tuple[int, ...]):
        super().__init__()
        self.period = period
        layers = [nn.Conv1d(i, o, 5, stride=3, padding=2) for i, o in pairwise((1, *widths))]
        layers.append(nn.Conv1d(widths[-1], widths[-1], 5, padding=2))
        self.layers = nn.ModuleList(weight_norm(layer) for layer in layers)
        self.head = weight_norm(nn.Conv1d(widths[-1], 1, 3, padding=1))

    def forward(self, wave: Tensor) -> list[Tensor]:
        """wave [B, T] -> maps [B * period, channels, time]; the last has one channel, the logits.

        A kernel of (5, 1) over an image of time by phase, as published, is this convolution in one
        dimension with the phases in the batch; item b owns rows b * period to (b + 1) * period.
        """
        wave = F.pad(wave.unsqueeze(1), (0, -wave.shape[-1] % self.period), mode="reflect")
        x = wave.unflatten(-1, (-1, self.period)).transpose(-1, -2).flatten(0, 2).unsqueeze(1)
        return _run(x, self.layers, self.head)


class STFTDiscriminator(nn.Module):
    """Convolutions over the complex spectrogram: dilated in time, strided in frequency."""

    def __init__(self, window: int, width: int):
        super().__init__()
        self.register_buffer("window", torch.hann_window(window), persistent=False)
        layers = [nn.Conv2d(2, width, (3, 9), padding=(1, 4))]
        layers += [
            nn.Conv2d(width, width, (3, 9), stride=(1, 2), dilation=(d, 1), padding=(d, 4))
            for d in (1, 2, 4)
        ]
        layers.append(nn.Conv2d(width, width, 3, padding=1))
        self.layers = nn.ModuleList(weight_norm(layer) for layer in layers)
        self.head = weight_norm(nn.Conv2d(width, 1, 3, padding=1))

    def forward(self, wave: Tensor) -> list[Tensor]:
        """wave [B, T], T over half the window -> maps [B, channels, frames, bins]."""
        size = len(self.window)
        # Half precision would drown quiet partials under the rounding of loud ones.
        with torch.autocast(wave.device.type, enabled=False):
            window = self.window.float()
            spectrum = torch.stft(
                wave.float(), size, size // 4, window=window, normalized=True, return_complex=True
            )
            x = torch.view_as_real(spectrum).permute(0, 3, 2, 1)
        return _run(x.to(self.head.bias.dtype), self.layers, self.head)


class Discriminators(nn.Module):
    """All discriminators of a configuration."""

    def __init__(self, config: DiscriminatorConfig | None = None):
        super().__init__()
        self.config = config = config or DiscriminatorConfig()
        self.discriminators = nn.ModuleList(
            [PeriodDiscriminator(period, config.period_widths) for period in config.periods]
            + [STFTDiscriminator(window, config.stft_width) for window in config.windows]
        )

    def forward(self, wave: Tensor) -> list[list[Tensor]]:
        """wave [B, T] -> for each discriminator its feature maps, the logits last.

        The leading dimension of a map is B times a constant, item after item, so that a batch of
        two halves gives maps of two halves. T must exceed half the longest window.
        """
        return [discriminator(GAIN * wave) for discriminator in self.discriminators]


def _run(x: Tensor, layers: nn.ModuleList, head: nn.Module) -> list[Tensor]:
    maps = []
    for layer in layers:
        x = F.leaky_relu(layer(x), SLOPE)
        maps.append(x)
    return [*maps, head(x)]
