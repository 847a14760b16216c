"""Codes: what the encoder hands to everything else (decoder, file, prior, corpus tools)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from numbers import Integral
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vqaudio.errors import VqaudioError

if TYPE_CHECKING:
    from vqaudio.prior import Prior

MIN_RATE = 1_000
"""Lowest sample rate of a recording, Hz."""
MAX_RATE = 768_000
"""Highest sample rate of a recording, Hz."""
MAX_CHANNELS = 32
"""Most channels of one recording (a batch of clips may have more rows)."""
MAX_FRAME_CODES = 4
"""Most codes in what a model works on at once, so the most that a row has to spare."""


def model_length(length: int, sample_rate: int, model_rate: int) -> int:
    """Samples at `model_rate` that `length` samples at `sample_rate` become (rounded up)."""
    return -(-length * model_rate // sample_rate)


def count_codes(length: int, sample_rate: int, model_rate: int, frame: int, hop: int) -> int:
    """Number of codes for `length` samples at `sample_rate` Hz.

    `frame` is what the model works on at once and `hop` what one code spans, both in samples at
    `model_rate` Hz; `frame` is a multiple of `hop`.
    """
    return -(-model_length(length, sample_rate, model_rate) // frame) * (frame // hop)


def codes_fit(count: int, length: int, sample_rate: int, model_rate: int, hop: int) -> bool:
    """Whether `count` codes can stand for `length` samples: no less, and hardly more."""
    spare = count * hop - model_length(length, sample_rate, model_rate)
    return 0 <= spare <= MAX_FRAME_CODES * hop


def bits_per_code(codebook_size: int) -> int:
    """Bits that one code takes when packed: 9 for 512 codes."""
    return (codebook_size - 1).bit_length()


def check_format(
    codebook_size: int,
    hop: int,
    model_rate: int,
    sample_rate: int,
    levels: tuple[float, ...],
    model: bytes,
) -> None:
    """Raise VqaudioError unless these fields of `Codes` are in range."""
    if not all(isinstance(n, Integral) for n in (codebook_size, hop, model_rate, sample_rate)):
        raise VqaudioError("codebook size, hop and rates must be whole numbers")
    if not 2 <= codebook_size <= 0xFFFF:
        raise VqaudioError(f"codebook size {codebook_size} is not in 2..65535")
    if not 1 <= hop <= 0xFFFF:
        raise VqaudioError(f"hop {hop} is not in 1..65535")
    if not MIN_RATE <= model_rate <= 0xFFFF:
        raise VqaudioError(f"model rate {model_rate} Hz is not in {MIN_RATE}..65535")
    if not MIN_RATE <= sample_rate <= MAX_RATE:
        raise VqaudioError(f"sample rate {sample_rate} Hz is not in {MIN_RATE}..{MAX_RATE}")
    if not all(-64 <= level <= 63.5 and level * 2 == round(level * 2) for level in levels):
        raise VqaudioError("levels must be multiples of 0.5 dB in [-64, 63.5]")
    if len(model) != 8:
        raise VqaudioError("a model's fingerprint has 8 bytes")


@dataclass(frozen=True, eq=False)
class Codes:
    """The codes of one recording, or of a batch of clips, and what it takes to decode them.

    A row is a channel of one recording or a clip of a batch. All rows share one original rate;
    clips may differ in length, and a row's indices past its own count are 0. That count hangs on
    the frame of the model, so rows of different lengths need `frame_codes`.

    Raises VqaudioError when a field is out of range or the fields contradict each other.
    """

    indices: Tensor
    """int64 [B, N], each in [0, codebook_size)."""
    codebook_size: int
    """K, 2 to 65535."""
    hop: int
    """Samples at model_rate that one code spans."""
    model_rate: int
    """Sample rate that the model works at, Hz."""
    sample_rate: int
    """Sample rate of the original, Hz."""
    lengths: tuple[int, ...]
    """For each row, its length in samples of the original."""
    levels: tuple[float, ...]
    """For each row, its level in dB re full scale: multiples of 0.5 in [-64, 63.5]."""
    model: bytes
    """Fingerprint of the model that made the codes, 8 bytes."""
    frame_codes: int | None = None
    """Codes in what the model works on at once, 1 to 4; a row's own count is a multiple of it.
    May be None where all rows are equally long, as in what comes from a file."""

    def __post_init__(self) -> None:
        indices = self.indices
        if not isinstance(indices, Tensor) or indices.dtype != torch.int64 or indices.ndim != 2:
            raise VqaudioError("indices must be an int64 tensor [rows, codes]")
        rows, count = indices.shape
        if rows == 0 or len(self.lengths) != rows or len(self.levels) != rows:
            raise VqaudioError("codes need one length and one level for each of at least one row")
        check_format(
            self.codebook_size, self.hop, self.model_rate, self.sample_rate, self.levels, self.model
        )
        if not all(isinstance(length, Integral) for length in self.lengths):
            raise VqaudioError("lengths must be whole numbers")
        if min(self.lengths) < 1:
            raise VqaudioError("codes of no samples at all")
        longest = max(self.lengths)
        if self.frame_codes is None and min(self.lengths) < longest:
            raise VqaudioError("rows of different lengths need frame_codes")
        if self.frame_codes not in (None, *range(1, MAX_FRAME_CODES + 1)):
            raise VqaudioError(f"frame_codes {self.frame_codes} is not in 1..{MAX_FRAME_CODES}")
        if not codes_fit(count, longest, self.sample_rate, self.model_rate, self.hop):
            raise VqaudioError(f"{count} codes a row do not fit {longest} samples")
        if int(indices.min()) < 0 or int(indices.max()) >= self.codebook_size:
            raise VqaudioError(f"indices must be in 0..{self.codebook_size - 1}")

    def __len__(self) -> int:
        """Number of rows."""
        return self.indices.shape[0]

    def __getitem__(self, row: int) -> Codes:
        """Row `row` alone, cut to its own number of codes."""
        if not -len(self) <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        row %= len(self)
        return replace(
            self,
            indices=self.indices[row : row + 1, : self.num_codes(row)],
            lengths=(self.lengths[row],),
            levels=(self.levels[row],),
        )

    def __iter__(self) -> Iterator[Codes]:
        return (self[row] for row in range(len(self)))

    def num_codes(self, row: int) -> int:
        """How many indices of `row` stand for its samples; the rest of the row is padding."""
        count = self.indices.shape[1]
        length = self.lengths[row]
        if length == max(self.lengths):
            return count
        frame = self.frame_codes * self.hop
        return min(count, count_codes(length, self.sample_rate, self.model_rate, frame, self.hop))

    @property
    def duration(self) -> float:
        """Length of the longest row in seconds."""
        return max(self.lengths) / self.sample_rate

    @property
    def bits_per_code(self) -> int:
        """Bits that one code takes when packed: 9 for 512 codes."""
        return bits_per_code(self.codebook_size)

    def equal(self, other: Codes) -> bool:
        """Whether both hold the same codes, wherever their tensors live.

        Of `frame_codes`, which files do not keep, only what follows from it is compared.
        """

        def fields(codes: Codes) -> list:
            left_out = ("indices", "frame_codes")
            counts = [codes.num_codes(row) for row in range(len(codes))]
            return [counts, *(v for k, v in vars(codes).items() if k not in left_out)]

        return fields(self) == fields(other) and torch.equal(
            self.indices.cpu(), other.indices.cpu()
        )

    def save(
        self, path: str | os.PathLike, force: bool = True, entropy: bool | Prior = False
    ) -> None:
        """Write one recording to a .vqc file, whole or not at all.

        entropy: whether to entropy-code it, which makes it smaller: by the packaged prior of the
        model that made the codes, or by a Prior given, which `load` then needs too.

        Raises VqaudioError when rows differ in length (clips of a batch: save `codes[i]` each)
        or are more than 32, ModelError when there is no such prior or it is for another model,
        FileExistsError unless `force`, OSError when writing fails.
        """
        from vqaudio import container

        coder = None
        if entropy is True:
            from vqaudio.entropy import packaged_coder_of

            coder = packaged_coder_of(self.model)
        elif entropy:
            entropy.check(self.model, self.codebook_size)
            coder = entropy.coder()
        container.write(path, self, force, coder)

    @staticmethod
    def load(path: str | os.PathLike, prior: Prior | None = None) -> Codes:
        """Read a .vqc file.

        prior: that it was entropy-coded with, if it is not a packaged one.

        Raises ContainerError when it is damaged, ModelError when its prior is another or not there,
        OSError when it is unreadable.
        """
        from vqaudio import container

        if prior is None:
            return container.read(path)
        from vqaudio.entropy import coder_of

        return container.read(path, coder_of(prior))
