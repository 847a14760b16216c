"""How well a WaveNet decoder predicts speech that it does not train on, and whether codes help it."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from vqaudio.data.manifest import Corpus
from vqaudio.evaluation.waveform_bits import sample_bits, together
from vqaudio.models.waveform_vqvae import WaveformVQVAE
from vqaudio.training.codebook import perplexity
from vqaudio.training.held_out_clips import beginnings, of_speakers


class HeldOutWaves:
    """The first `seconds` of up to `clips` clips, spread over the corpus; of `shown` of them the first
    `seconds_shown` are drawn anew from their codes, for TensorBoard."""

    def __init__(
        self,
        corpus: Corpus,
        *,
        hop: int,
        clips: int = 16,
        seconds: float = 3.0,
        shown: int = 2,
        seconds_shown: float = 1.0,
    ):
        self.sample_rate, self.shown = corpus.sample_rate, shown
        self.codes_shown = round(seconds_shown * corpus.sample_rate / hop)
        self.waves = beginnings(corpus, hop, clips, seconds)

    @torch.inference_mode()
    def judge(
        self,
        model: WaveformVQVAE,
        speakers: Sequence[str] | None,
        n: int,
        writer: SummaryWriter,
        quantize: bool = True,
    ) -> float:
        """Mean bits per sample told the codes, logged beside those of `SampleBits` without.

        speakers: of the model, None for a decoder that is not told. Raises ModelError if none of the
        clips is by one of them.
        """
        waves = of_speakers(self.waves, speakers)
        found, counts = [], torch.zeros(model.codebook_size)
        for i, (wave, name) in enumerate(waves):
            speaker = None if speakers is None else speakers.index(name)
            told, vectors, indices = _encode(model, wave, speaker, quantize)
            if indices is not None:
                counts += torch.bincount(indices.flatten().cpu(), minlength=len(counts))
            wave = wave.to(vectors.device)
            found.append(sample_bits(model, wave, vectors, told, seed=i))
            if i < self.shown and self.codes_shown:
                self._show(i, model, wave, vectors, told, n, writer)
        means = together(found).per_sample()
        for name, mean in means.items():
            writer.add_scalar(f"held-out/{name}", mean, n)
        if quantize:
            writer.add_scalar("held-out/codes_used", (counts > 0).float().mean(), n)
            writer.add_scalar("held-out/perplexity", perplexity(counts), n)
        return means["bits"]

    def _show(
        self,
        i: int,
        model: WaveformVQVAE,
        wave: Tensor,
        vectors: Tensor,
        speaker: Tensor | None,
        n: int,
        writer: SummaryWriter,
    ) -> None:
        # The same random numbers each time, and none of those that training draws.
        generator = torch.Generator().manual_seed(0)
        drawn = model.decoder.sample(vectors[:, : self.codes_shown], speaker, generator)[0]
        for name, shown in (("original", wave[: len(drawn)]), ("decoded", drawn)):
            shown = shown.clamp(-1, 1).cpu()
            writer.add_audio(f"held-out/{i}/{name}", shown, n, self.sample_rate)


def _encode(
    model: WaveformVQVAE, wave: Tensor, speaker: int | None, quantize: bool
) -> tuple[Tensor | None, Tensor, Tensor | None]:
    """Speaker [1], vectors [1, N, D] and indices [1, N] of a clip, on the model's device."""
    device = model.quantizer.codebook.device
    told = None if speaker is None else torch.tensor([speaker], device=device)
    z = model.quantizer.on_sphere(model.encoder(wave.to(device)[None]))
    if not quantize:
        return told, z, None
    quantized = model.quantizer(z)
    return told, quantized.vectors, quantized.indices
