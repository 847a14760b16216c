"""What a decoded waveform is compared with, and how: log-mel spectrograms at several resolutions."""

from dataclasses import dataclass

import torch
import torchaudio
from torch import Tensor, nn


@dataclass(frozen=True)
class MelScale:
    """One resolution: `window` samples (a hop is a quarter of it), `bands` mel bands."""

    window: int
    bands: int


class MultiScaleMel(nn.Module):
    """Mean over scales of the L1 distance of log10(mel magnitude + floor).

    The reconstruction loss of DAC (Kumar et al. 2023, section 3.4) and of Vocos. Short windows judge
    timing, long ones pitch; the phase is left free. What lies well below `floor` hardly counts.
    Shapes: ([B, T], [B, T]) -> scalar. Float32 inside, whatever autocast says.
    """

    def __init__(self, scales: tuple[MelScale, ...], sample_rate: int = 16000, floor: float = 1e-5):
        super().__init__()
        self.scales, self.floor = scales, floor
        for i, scale in enumerate(scales):
            filters = torchaudio.functional.melscale_fbanks(
                scale.window // 2 + 1, 0.0, sample_rate / 2, scale.bands, sample_rate, norm="slaney"
            )
            self.register_buffer(f"filters{i}", filters, persistent=False)
            self.register_buffer(f"window{i}", torch.hann_window(scale.window), persistent=False)

    def log_mel(self, wave: Tensor, index: int) -> Tensor:
        """[B, T] -> [B, frames, bands] at scale `index`."""
        size = self.scales[index].window
        spectrum = torch.stft(
            wave.float(),
            size,
            size // 4,
            window=getattr(self, f"window{index}"),
            return_complex=True,
        )
        with torch.autocast(wave.device.type, enabled=False):
            mel = spectrum.abs().transpose(1, 2) @ getattr(self, f"filters{index}")
        return (mel + self.floor).log10()

    def forward(self, decoded: Tensor, reference: Tensor) -> Tensor:
        distances = []
        for i in range(len(self.scales)):
            with torch.no_grad():
                target = self.log_mel(reference, i)
            distances.append((self.log_mel(decoded, i) - target).abs().mean())
        return torch.stack(distances).mean()


def high_pass(wave: Tensor, sample_rate: int, cutoff: float) -> Tensor:
    """[B, T] -> [B, T]: what lies below `cutoff` Hz is gone, without a shift in phase.

    The magnitude of an eighth-order Butterworth filter. Below the lowest voices there is only hum and
    rumble, on which a codec should spend nothing; trained towards this, it leaves them out.
    """
    spectrum = torch.fft.rfft(wave)
    frequency = torch.fft.rfftfreq(wave.shape[-1], 1 / sample_rate, device=wave.device)
    gain = (1 + (cutoff / frequency.clamp(min=1e-3)) ** 16).rsqrt()
    return torch.fft.irfft(spectrum * gain, wave.shape[-1])
