"""Prior: what comes after what in the codes of one codec, put to work.

It tells how probable each code is, given the codes before it: so new codes can be drawn, and codes
of recordings be packed into less space.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from vqaudio import modelfiles, pretrained
from vqaudio.codec import Codec
from vqaudio.codes import Codes, count_codes
from vqaudio.device import find_device
from vqaudio.errors import ModelError, VqaudioError
from vqaudio.models.code_model import CodeModel
from vqaudio.models.code_models import code_model
from vqaudio.models.integer import IntegerCodeModel
from vqaudio.sampling import Progress, sample

if TYPE_CHECKING:
    from vqaudio.entropy import EntropyCoder

DEFAULT_LEVEL = -26.0
"""Level of what is sampled without a prompt, dB re full scale: speech so loud is rarely clipped."""
ROWS = 16
"""Sequences that are sampled, or rows that are scored, at once."""
SCORED_AT_ONCE = 2048
"""Codes of each row that are scored at once."""


class Prior:
    """A model of codes with its card, on one device.

    model: a CodeModel, or an IntegerCodeModel, in eval mode. card: what is known about it, as JSON
    values; its "codec" is the fingerprint, in hexadecimal, of the codec whose codes these are.
    fingerprint: 8 bytes that tell this prior from any other. codec: the 8 bytes of its codec.
    Raises ModelError for a card that names no codec.
    """

    def __init__(self, model: CodeModel | IntegerCodeModel, card: dict[str, Any]):
        self.model = model.eval()
        self.card = dict(card)
        self.fingerprint = modelfiles.fingerprint(model)
        try:
            self.codec = bytes.fromhex(card.get("codec", ""))
        except (TypeError, ValueError):
            self.codec = b""
        if len(self.codec) != 8:
            raise ModelError("the card names no codec of this prior")

    def __repr__(self) -> str:
        return f"Prior({self.name})"

    @property
    def name(self) -> str:
        """Name and fingerprint, for people."""
        name = self.card.get("name")
        return f"{name} ({self.fingerprint.hex()})" if name else self.fingerprint.hex()

    @property
    def device(self) -> torch.device:
        return next(iter(self.model.state_dict().values())).device

    @property
    def codebook_size(self) -> int:
        return self.model.codebook_size

    @property
    def exact(self) -> bool:
        """Whether its predictions are the same to the last bit on every machine, as entropy coding
        needs them: those of an IntegerCodeModel are."""
        return isinstance(self.model, IntegerCodeModel)

    @classmethod
    def load(cls, directory: str | os.PathLike, device: str | torch.device = "cpu") -> Prior:
        """Read what `save` wrote, onto "cpu", "cuda", "cuda:1"..., or "auto": a GPU if there is one.

        Raises ModelError when it is missing, damaged or inconsistent, holds a codec, or there is no
        such device.
        """
        device = find_device(device)
        model, card = modelfiles.read(directory, _build)
        return cls(model.to(device), card)

    def save(self, directory: str | os.PathLike) -> None:
        """Write model.safetensors and card.json.

        Floating-point weights are rounded to float16 where its range allows, so that what `load`
        returns then has another fingerprint, the one on the card.
        """
        modelfiles.write(directory, self.model, self.card)

    def check(self, codec: Codec | bytes, codebook_size: int | None = None) -> None:
        """Raise ModelError, naming both, unless this prior is for `codec`: a Codec, or a fingerprint
        (8 bytes) and the size of the codebook."""
        if isinstance(codec, Codec):
            codec, codebook_size = codec.fingerprint, codec.model.codebook_size
        if codec != self.codec:
            mine, theirs = _named(self.codec), _named(codec)
            raise ModelError(f"prior {self.name} is for codec {mine}, and this is {theirs}")
        if codebook_size not in (None, self.codebook_size):
            raise ModelError(
                f"prior {self.name} is for {self.codebook_size} codes, and the codebook of "
                f"{_named(codec)} has {codebook_size}"
            )

    def coder(self) -> EntropyCoder:
        """What packs codes by this prior's predictions. Raises ModelError unless `exact`."""
        if not self.exact:
            raise ModelError(
                f"prior {self.name} works in floating point, which differs from one machine to the "
                "next: only integer priors can compress"
            )
        from vqaudio.entropy import EntropyCoder

        return EntropyCoder(self.model, self.fingerprint)

    @torch.inference_mode()
    def bits(self, codes: Codes) -> Tensor:
        """What each code costs by this prior, -log2 of its probability: float32 [B, N] on the CPU,
        0 past the codes of shorter rows. Raises ModelError for codes of another codec."""
        self.check(codes.model, codes.codebook_size)
        indices = codes.indices.clone()
        for row in range(len(codes)):
            indices[row, codes.num_codes(row) :] = -1
        bits = torch.empty(indices.shape)
        back = self.model.receptive_field
        for rows, out in zip(indices.split(ROWS), bits.split(ROWS), strict=True):
            for start in range(0, rows.shape[1], SCORED_AT_ONCE):
                end, first = start + SCORED_AT_ONCE, max(start - back, 0)
                piece = self.model.bits(rows[:, first:end].to(self.device))
                out[:, start:end] = piece[:, start - first :].cpu()
        return bits

    def sample(
        self,
        codec: Codec,
        seconds: float,
        count: int = 1,
        prompt: Codes | None = None,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int = 0,
        first: int = 0,
        progress: Progress | None = None,
    ) -> Codes:
        """Draw `count` sequences of codes, `seconds` of sound each, for `codec.decode`.

        prompt: codes of one channel that all sequences continue; they come out before what is new,
        so that the wave goes on without a seam, at the prompt's rate and level;
        temperature, top_k, top_p: see `vqaudio.sampling.sample`;
        seed: sequence number `first` + i of a seed has random numbers of its own, so that many can
        be drawn in parts: by an exact prior they are the same codes in any company, by another but
        for rounding;
        progress: called with the codes drawn so far, and of all.

        Without a prompt the level is DEFAULT_LEVEL, the rate the codec's. Raises ModelError if codec
        or prompt are not of this prior's codec, VqaudioError for a prompt of several channels,
        ValueError for numbers out of range.
        """
        self.check(codec)
        rate, level, before = codec.model.sample_rate, DEFAULT_LEVEL, 0
        if prompt is not None:
            self.check(prompt.model, prompt.codebook_size)
            if len(prompt) != 1:
                raise VqaudioError(f"a prompt has one channel, and this has {len(prompt)}")
            rate, level, before = prompt.sample_rate, prompt.levels[0], prompt.indices.shape[1]
        model = codec.model
        new = round(seconds * rate) if 0 < seconds < float("inf") else 0
        if new < 1 or count < 1:
            raise ValueError(f"seconds and count must be above 0, not {seconds} and {count}")
        length = count_codes(new, rate, model.sample_rate, model.frame, model.hop)
        parts = []
        for start in range(0, count, ROWS):
            batch = min(ROWS, count - start)
            done = None
            if progress is not None:

                def done(codes: int, _: int, start: int = start, batch: int = batch) -> None:
                    progress(start * length + batch * codes, count * length)

            part = sample(
                self.model,
                length,
                batch,
                None if prompt is None else prompt.indices[0],
                temperature,
                top_k,
                top_p,
                generators(seed, first + start, batch),
                done,
            )
            parts.append(part.cpu())
        indices = torch.cat(parts)
        if prompt is not None:
            indices = torch.cat([prompt.indices.cpu().expand(count, -1), indices], dim=1)
        return Codes(
            indices,
            model.codebook_size,
            model.hop,
            model.sample_rate,
            rate,
            (before * model.hop * rate // model.sample_rate + new,) * count,
            (level,) * count,
            codec.fingerprint,
            model.frame // model.hop,
        )


def generators(seed: int, first: int, count: int) -> list[torch.Generator]:
    """Random numbers for the sequences `first`, `first` + 1, ... of a seed, which is not negative."""
    # PyTorch's generator on the CPU takes 32 bits of a seed. One hash and consecutive numbers never
    # give one run two sequences alike; a hash for each would, sometimes.
    start = int(np.random.SeedSequence(seed).generate_state(1)[0])
    return [torch.Generator().manual_seed((start + n) % 2**32) for n in range(first, first + count)]


def load_prior(
    name_or_directory: str | os.PathLike = "speech64-prior", device: str = "auto"
) -> Prior:
    """A packaged prior by name, or one from a directory.

    device: "cpu", "cuda", or "auto": a GPU if there is one. Raises ModelError when there is no such
    prior or device.
    """
    return Prior.load(pretrained.prior_folder_of(name_or_directory), device)


def _build(config: dict[str, Any]) -> CodeModel | IntegerCodeModel:
    if "encoder" in config:
        raise ValueError("this is a codec, and a prior is wanted")
    if config.get("condition_width"):
        raise ValueError(
            "this prior needs to be told more than the codes before, such as a speaker"
        )
    return code_model(config)


def _named(codec: bytes) -> str:
    name = pretrained.name_of(codec)
    return f"{name} ({codec.hex()})" if name else codec.hex()
