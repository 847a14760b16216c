"""Codec: a trained VQ-VAE put to work on recordings of any rate, level, length and number.

Whole recordings, batches, files and live streams all go through the streams of
`vqaudio.streaming`, so that they agree by construction.
"""

import os
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from vqaudio import modelfiles, pretrained, voice
from vqaudio.codes import Codes
from vqaudio.device import find_device
from vqaudio.errors import AudioError, ModelError
from vqaudio.level import LevelMeter
from vqaudio.models.voices import Voice
from vqaudio.models.vqvae import VQVAE
from vqaudio.streaming import (
    PIECE_SECONDS,
    WaveDecoder,
    WaveEncoder,
    check_finite,
    check_rate,
    cut_rows,
    whole_number,
)


class Codec:
    """A model with its card, on one device.

    model: the VQVAE, in eval mode. card: what is known about it, as JSON values.
    fingerprint: 8 bytes that tell this model from any other; it goes into every file.

    Raises ModelError when the card of a model with voices names no speakers, or more than it has
    voices for.
    """

    def __init__(self, model: VQVAE, card: dict | None = None):
        self.model = model.eval()
        self.card = dict(card or {})
        room = model.config.voices.speakers
        if room:
            _check_speakers(self.card.get("speakers", []), room)
        self.fingerprint = modelfiles.fingerprint(model)

    def __repr__(self) -> str:
        return f"Codec({self.name})"

    @property
    def name(self) -> str:
        """Name and fingerprint, for people."""
        name = self.card.get("name")
        return f"{name} ({self.fingerprint.hex()})" if name else self.fingerprint.hex()

    @property
    def speakers(self) -> tuple[str, ...]:
        """Whose voices a model with voices can speak in; none for a model without."""
        return tuple(self.card.get("speakers", ()))

    @property
    def device(self) -> torch.device:
        return self.model.quantizer.codebook.device

    @classmethod
    def load(cls, directory: str | os.PathLike, device: str | torch.device = "cpu") -> "Codec":
        """Read what `save` wrote, onto "cpu", "cuda", "cuda:1"..., or "auto": a GPU if there is one.

        Raises ModelError when it is missing, damaged or inconsistent, or there is no such device.
        """
        device = find_device(device)
        model, card = modelfiles.read(directory)
        return cls(model.to(device), card)

    def save(self, directory: str | os.PathLike, card: dict | None = None) -> None:
        """Write model.safetensors and card.json; entries of `card` go over those of self.card.

        Weights are rounded to float16 where its range allows, so what `load` returns is a rounded
        model with another fingerprint, the one on the card.
        """
        modelfiles.write(directory, self.model, {**self.card, **(card or {})})

    def encode(
        self,
        wave: Tensor | np.ndarray,
        sample_rate: int,
        lengths: Sequence[int] | None = None,
    ) -> Codes:
        """Code one recording [T], or a batch of clips or channels [B, T].

        wave: floating point, full scale is 1; sample_rate: Hz, any from 1 kHz to 768 kHz;
        lengths: samples of each row that count, all by default. A row's codes are those that it
        would get alone. Raises AudioError for a wave or a rate that cannot be coded.
        """
        wave = _as_batch(wave)
        if lengths is None:
            lengths = (wave.shape[1],) * len(wave)
        lengths = tuple(whole_number(length, "length") for length in lengths)
        if len(lengths) != len(wave) or not all(0 < n <= wave.shape[1] for n in lengths):
            raise AudioError(f"lengths must be {len(wave)} numbers in 1..{wave.shape[1]}")
        sample_rate = check_rate(sample_rate)
        wave = cut_rows(wave[:, : max(lengths)], lengths)
        check_finite(wave)
        levels = _measure(wave, sample_rate, lengths)
        stream = self.encode_stream(sample_rate, levels, lengths)
        indices = torch.cat([stream.push(wave), stream.flush()], dim=1)
        frame_codes = self.model.frame // self.model.hop
        return Codes(
            indices, *self._terms(), sample_rate, lengths, levels, self.fingerprint, frame_codes
        )

    def decode(
        self, codes: Codes, speaker: str | None = None, semitones: float | None = None
    ) -> Tensor:
        """Waves float32 [B, T] at codes.sample_rate, T the longest length, zero past each row's.

        speaker: one of `speakers`, whose voice a model with voices is to speak in; semitones: what to
        raise the pitch of the codes by, None to bring each row to the speaker's own pitch.
        Raises ModelError for codes of another model, and for a speaker whom it does not know.
        """
        self.check(codes.model, codes.codebook_size, codes.hop, codes.model_rate)

        def hear() -> Tensor:
            rows = (codes[row].indices for row in range(len(codes)))
            return torch.cat([voice.listen(self.model, indices) for indices in rows])

        told = self.choose_voice(speaker, semitones, len(codes), hear)
        stream = self.decode_stream(codes.sample_rate, codes.levels, codes.lengths, voice=told)
        return torch.cat([stream.push(codes.indices.cpu()), stream.flush()], dim=1)

    def encode_stream(
        self,
        sample_rate: int,
        levels: Sequence[float],
        lengths: Sequence[int] | None = None,
        seconds: float = PIECE_SECONDS,
    ) -> WaveEncoder:
        """Code while waves come in: push(wave [B, n]) -> indices [B, m], flush() -> the rest.

        levels: of each row, in dB re full scale (vqaudio.level.LevelMeter, or a guess);
        lengths: of each row, where they differ; seconds: audio per piece, small for live use.
        """
        return WaveEncoder(self.model, sample_rate, levels, lengths, seconds)

    def decode_stream(
        self,
        sample_rate: int,
        levels: Sequence[float],
        lengths: Sequence[int] | None = None,
        seconds: float = PIECE_SECONDS,
        voice: Voice | None = None,
    ) -> WaveDecoder:
        """Decode while codes come in: push(indices [B, n]) -> waves [B, m], flush() -> the rest.

        Without `lengths` the last code's samples all come out, a few more than went in. voice: for
        each row, from `choose_voice`; None for a model without voices.
        """
        return WaveDecoder(self.model, sample_rate, levels, lengths, seconds, voice)

    def choose_voice(
        self, speaker: str | None, semitones: float | None, rows: int, hear: Callable[[], Tensor]
    ) -> Voice | None:
        """What `decode_stream` is told: see `decode`. hear: as for `vqaudio.voice.choose`."""
        return voice.choose(self.model, self.speakers, speaker, semitones, rows, hear)

    def check_speaker(self, speaker: str | None) -> None:
        """Raise ModelError where `decode` would for this speaker."""
        voice.check(self.model, self.speakers, speaker)

    def check(self, model: bytes, codebook_size: int, hop: int, model_rate: int) -> None:
        """Raise ModelError, naming both, unless this model made such codes."""
        if model != self.fingerprint:
            known = pretrained.name_of(model)
            maker = f"{known} ({model.hex()})" if known else model.hex()
            raise ModelError(f"coded with model {maker}, but this is model {self.name}")
        if (codebook_size, hop, model_rate) != self._terms():
            raise ModelError(f"codes and model {self.name} differ in codebook size, hop or rate")

    def _terms(self) -> tuple[int, int, int]:
        return self.model.codebook_size, self.model.hop, self.model.sample_rate


def load_codec(name_or_directory: str | os.PathLike = "speech64", device: str = "auto") -> Codec:
    """A packaged model by name, or one from a directory.

    device: "cpu", "cuda", or "auto": a GPU if there is one. Raises ModelError when there is no such
    model or device.
    """
    return Codec.load(pretrained.folder_of(name_or_directory), device)


def _check_speakers(names: object, room: int) -> None:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ModelError("the speakers of the card are not a list of names")
    if len(set(names)) < len(names):
        raise ModelError("the card names a speaker twice")
    if not 0 < len(names) <= room:
        raise ModelError(f"the card names {len(names)} speakers, for {room} voices")


def _as_batch(wave: Tensor | np.ndarray) -> Tensor:
    wave = torch.as_tensor(wave)
    if not wave.is_floating_point() or wave.ndim not in (1, 2):
        raise AudioError("a wave is a floating-point array [samples] or [rows, samples]")
    if not wave.numel():
        raise AudioError("no samples")
    return torch.atleast_2d(wave.detach().cpu().float())


def _measure(wave: Tensor, sample_rate: int, lengths: Sequence[int]) -> tuple[float, ...]:
    levels = []
    for row, length in zip(wave, lengths, strict=True):
        meter = LevelMeter(sample_rate, 1)
        meter.update(row[None, :length])
        levels += meter.levels()
    return tuple(levels)
