"""What a prior in training thinks of codes that it does not train on, and what it makes up."""

import torch
from torch.utils.tensorboard import SummaryWriter

from vqaudio.codec import Codec
from vqaudio.data.chunks import CodeCorpus, whole_clips
from vqaudio.errors import ModelError
from vqaudio.models.code_model import CodeModel
from vqaudio.models.integer import IntegerCodeModel
from vqaudio.models.voices import Voice
from vqaudio.sampling import sample

CODES_AT_ONCE = 16_384
"""Padding included: 32 MiB of logits for 512 codes."""


class HeldOutCodes:
    """The codes of held-out speech, each predicted from all that comes before it in its clip.

    codec: None, or the one that made the codes, to hear `shown` samples of `seconds`.
    Raises ModelError if it is another.
    """

    def __init__(
        self, corpus: CodeCorpus, codec: Codec | None = None, shown: int = 4, seconds: float = 2.56
    ):
        if codec is not None and codec.fingerprint != corpus.fingerprint:
            raise ModelError(
                f"the codes are of codec {corpus.fingerprint.hex()}, not of {codec.name}"
            )
        self.corpus, self.codec, self.shown, self.seconds = corpus, codec, shown, seconds

    @torch.inference_mode()
    def judge(self, prior: CodeModel | IntegerCodeModel, n: int, writer: SummaryWriter) -> float:
        """Mean bits per code, which is also logged, with the sound of samples."""
        score = bits_per_code(prior, self.corpus)
        writer.add_scalar("held-out/bits_per_code", score, n)
        if self.codec is not None:
            self._show_samples(prior, n, writer)
        return score

    def _show_samples(
        self, prior: CodeModel | IntegerCodeModel, n: int, writer: SummaryWriter
    ) -> None:
        model = self.codec.model
        frames = max(1, round(self.seconds * model.sample_rate / model.frame))
        # The same random numbers each time, and none of those that training draws.
        generator = torch.Generator().manual_seed(0)
        codes = sample(prior, frames * (model.frame // model.hop), self.shown, generator=generator)
        told = None
        if model.voices is not None:  # no sample is anybody's: the first voice will do
            told = Voice(torch.zeros(self.shown, dtype=torch.long), torch.zeros(self.shown))
            told = Voice(*(value.to(self.codec.device) for value in told))
        for i, wave in enumerate(model.decode(codes.to(self.codec.device), told)):
            writer.add_audio(f"sample/{i}", wave.clamp(-1, 1).cpu(), n, model.sample_rate)


@torch.inference_mode()
def bits_per_code(prior: CodeModel | IntegerCodeModel, corpus: CodeCorpus) -> float:
    """Mean over all codes of the corpus, each clip from its start."""
    total = 0.0
    for codes in whole_clips(corpus, CODES_AT_ONCE):
        total += prior.bits(codes.to(prior.device)).double().sum().item()
    return total / corpus.num_codes
