"""What a codec in training does to speech that it does not train on: figures, pictures, sounds."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from vqaudio.data.manifest import Corpus
from vqaudio.losses.spectral import MultiScaleMel
from vqaudio.models.voices import Voice
from vqaudio.models.vqvae import VQVAE
from vqaudio.training.codebook import perplexity
from vqaudio.training.held_out_clips import beginnings, of_speakers


class HeldOut:
    """The first `seconds` of up to `clips` clips, spread over the corpus; `shown` go to TensorBoard."""

    def __init__(
        self, corpus: Corpus, *, frame: int, clips: int = 24, seconds: float = 6.0, shown: int = 4
    ):
        self.sample_rate, self.shown = corpus.sample_rate, shown
        self.originals_logged = False
        self.waves = beginnings(corpus, frame, clips, seconds)

    @torch.inference_mode()
    def judge(
        self,
        model: VQVAE,
        mel: MultiScaleMel,
        n: int,
        writer: SummaryWriter,
        quantize: bool,
        speakers: Sequence[str] = (),
    ) -> float:
        """Mean mel distance over the clips, which is also logged, with codebook use.

        speakers: of a model with voices, which is judged by their clips alone, each in its own voice.
        Raises ModelError if there are none.
        """
        waves = of_speakers(self.waves, speakers)
        device = next(model.parameters()).device
        distances, counts = [], torch.zeros(model.codebook_size)
        for i, (wave, speaker) in enumerate(waves):
            wave = wave.to(device).unsqueeze(0)
            voice = None
            if speakers:
                place = torch.tensor([speakers.index(speaker)], device=device)
                voice = Voice(place, torch.zeros(1, device=device))
            decoded, _, quantized = model(wave, quantize, voice)
            distances.append(mel(decoded, wave).item())
            if quantized is not None:
                chosen = quantized.indices.flatten().cpu()
                counts += torch.bincount(chosen, minlength=len(counts))
            if i < self.shown:
                if not self.originals_logged:
                    writer.add_audio(f"held-out/{i}/original", wave[0].cpu(), n, self.sample_rate)
                writer.add_audio(
                    f"held-out/{i}/decoded", decoded[0].clamp(-1, 1).cpu(), n, self.sample_rate
                )
                pictures = [_picture(mel.log_mel(w, len(mel.scales) - 2)) for w in (wave, decoded)]
                writer.add_image(f"held-out/{i}/original-decoded", torch.cat(pictures, dim=-1), n)
        self.originals_logged = True
        score = sum(distances) / len(distances)
        writer.add_scalar("held-out/mel", score, n)
        if counts.any():
            writer.add_scalar("held-out/codes_used", (counts > 0).float().mean(), n)
            writer.add_scalar("held-out/perplexity", perplexity(counts), n)
        return score


def _picture(log_mel: Tensor) -> Tensor:
    """[1, frames, bands] log10 magnitudes -> grey [1, bands, frames], low bands at the bottom."""
    return ((log_mel.transpose(1, 2).flip(1) + 4) / 5).clamp(0, 1).cpu().float()
