"""Entropy coding: codes take as many bits as a prior finds them improbable, and come back exactly.

Range coding (Martin 1979) by constriction (Bamler 2022). That a block decodes on another machine
rests on two things: the prior's predictions are integers that come out the same everywhere, and all
that is made of them here is exact, or one correctly rounded float64 operation. The specification,
down to the bits, is in `vqaudio.container`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import isqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from constriction import stream
from torch import Tensor

from vqaudio import pretrained
from vqaudio.errors import ContainerError, ModelError
from vqaudio.models.integer import LEVELS_PER_BIT

if TYPE_CHECKING:
    from vqaudio.prior import Prior

COUNT_BITS = 20
"""The most probable code has a count of 2^20."""

_SLICE = 1 << 18
"""Counts that are made of levels at once."""
_STEPS_A_REPORT = 32


def _table() -> np.ndarray:
    """Counts of levels that are 0, 1, 2... below the highest, up to where all counts are 1."""
    doubled = [2 ** (LEVELS_PER_BIT * (COUNT_BITS + 1) - j) for j in range(LEVELS_PER_BIT)]
    for _ in range(LEVELS_PER_BIT.bit_length() - 1):  # the 32nd root, rounded down, of integers
        doubled = [isqrt(x) for x in doubled]
    octave = np.array([(x + 1) // 2 for x in doubled], np.int64)
    shifts = np.arange(COUNT_BITS + 1)[:, None]
    return np.maximum(octave >> shifts, 1).ravel()


_COUNTS = _table()


def counts(levels: np.ndarray) -> np.ndarray:
    """Levels, integers [..., K] -> counts, int64 [..., K] of 1 to 2^20, in proportion to which codes
    are probable: 2^(20 - d / 32) of a level that is d below the highest."""
    below = levels.max(axis=-1, keepdims=True) - levels
    return _COUNTS[np.minimum(below, len(_COUNTS) - 1)]


class LevelModel(Protocol):
    """A prior whose predictions are exact: `vqaudio.models.integer.IntegerCodeModel`."""

    codebook_size: int
    device: torch.device

    def levels(self, indices: Tensor) -> Tensor:
        """int64 [B, N] -> log2-probabilities up to a constant, int32 [B, N, K], in 1/32 bit."""

    def start(self, batch: int) -> Any:
        """The state before the first code."""

    def step_levels(self, previous: Tensor | None, state: Any) -> tuple[Tensor, Any]:
        """previous: int64 [B] -> int32 [B, K], the levels of the next code, and the state."""


class EntropyCoder:
    """Codes blocks with a prior, each by itself.

    model: with exact predictions; fingerprint: the prior's, 8 bytes, which goes into the file.
    """

    def __init__(self, model: LevelModel, fingerprint: bytes) -> None:
        self.model = model
        self.fingerprint = fingerprint

    @property
    def codebook_size(self) -> int:
        return self.model.codebook_size

    @torch.inference_mode()
    def encode(self, block: np.ndarray) -> bytes:
        """The payload for codes, integers [C, n] in [0, K), n at least 1."""
        channels, count = block.shape
        indices = torch.from_numpy(block.astype(np.int64)).to(self.model.device)
        # One channel at a time: what a network takes for 32 of them at once is no little memory.
        levels = [self.model.levels(row[None])[0].cpu().numpy() for row in indices]
        encoder, family = stream.queue.RangeEncoder(), stream.model.Categorical(perfect=False)
        step = max(1, _SLICE // (channels * self.codebook_size))
        for start in range(0, count, step):
            now = slice(start, start + step)
            rows = np.stack([row[now] for row in levels], axis=1).reshape(-1, self.codebook_size)
            codes = block[:, now].T.reshape(-1).astype(np.int32)
            encoder.encode(codes, family, counts(rows).astype(np.float64))
        return _shortest(encoder)

    @torch.inference_mode()
    def decode(
        self,
        payloads: Sequence[bytes],
        lengths: Sequence[int],
        channels: int,
        progress: Callable[[float], None] | None = None,
    ) -> list[np.ndarray]:
        """The codes of several blocks, int64 [C, n] each, worked on side by side as one batch.

        lengths: n of each block, at least 1; progress: called now and then with the share done.
        Raises ContainerError when a payload is not what `encode` makes of any codes.
        """
        sources = [_Source(payload) for payload in payloads]
        blocks = np.zeros((len(payloads), channels, max(lengths)), np.int64)
        state = self.model.start(len(payloads) * channels)
        previous = None
        for n in range(max(lengths)):
            levels, state = self.model.step_levels(previous, state)
            rows = counts(levels.cpu().numpy()).astype(np.float64)
            rows = rows.reshape(len(payloads), channels, -1)
            for source, length, block, distributions in zip(
                sources, lengths, blocks, rows, strict=True
            ):
                if n < length:
                    block[:, n] = [source.next(weights) for weights in distributions]
            # A copy: a model may keep what it is given.
            previous = torch.from_numpy(blocks[:, :, n].flatten()).to(self.model.device)
            if progress and (n + 1) % _STEPS_A_REPORT == 0:
                progress((n + 1) / max(lengths))
        for source in sources:
            source.check_end()
        return [block[:, :length] for block, length in zip(blocks, lengths, strict=True)]


class _Source:
    """The codes of one payload, one after the other; they are encoded again to check it."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        words = np.frombuffer(payload + bytes(-len(payload) % 4), ">u4")
        self._decoder = stream.queue.RangeDecoder(words.astype(np.uint32))
        self._encoder = stream.queue.RangeEncoder()

    def next(self, weights: np.ndarray) -> int:
        distribution = stream.model.Categorical(weights, perfect=False, lazy=True)
        try:
            code = self._decoder.decode(distribution)
        except AssertionError:  # how constriction tells it
            raise _damaged() from None
        self._encoder.encode(code, distribution)
        return code

    def check_end(self) -> None:
        # Not maybe_exhausted(), which a payload with more at its end can pass.
        if _shortest(self._encoder) != self._payload:
            raise _damaged()


def _damaged() -> ContainerError:
    return ContainerError("an entropy-coded block is damaged, or its prior is another one")


def _shortest(encoder: stream.queue.RangeEncoder) -> bytes:
    """The shortest payload in the encoder's final interval, and of those the least.

    constriction's own ends on a whole word of 4 bytes or two.
    """
    position, (low, span) = encoder.pos()
    bits = 32 * (position + 2)
    words = encoder.get_compressed()
    sealed = int.from_bytes(words.astype(">u4").tobytes(), "big") << (bits - 32 * len(words))
    low = sealed - -low % 2**32  # sealing rounds up to a whole word, and carries
    shift = (span.bit_length() - 1) // 8 * 8
    while shift < bits and -(-low >> shift + 8) << shift + 8 < low + span:
        shift += 8
    return (-(-low >> shift)).to_bytes((bits - shift) // 8, "big")


def packaged_coder(fingerprint: bytes) -> EntropyCoder:
    """That of the packaged prior with this fingerprint. Raises ModelError when there is none."""
    name = pretrained.name_of(fingerprint)
    if name not in pretrained.prior_names():
        raise ModelError(
            f"entropy-coded with prior {fingerprint.hex()}, which is not packaged, nor given"
        )
    return _load(pretrained.find_prior(name))


def packaged_coder_of(codec: bytes) -> EntropyCoder:
    """That of the packaged prior for the codec with this fingerprint. Raises ModelError when there
    is none."""
    name = pretrained.prior_of(codec)
    if name is None:
        raise ModelError(
            f"no prior is packaged for model {pretrained.name_of(codec) or codec.hex()}"
        )
    return _load(pretrained.find_prior(name))


def coder_of(prior: Prior) -> Callable[[bytes], EntropyCoder]:
    """What finds the coder for a file (see `vqaudio.container.Reader`) where it can be but one.

    Raises ModelError when the prior cannot code, and what is returned when a file has another.
    """
    coder = prior.coder()

    def find(fingerprint: bytes) -> EntropyCoder:
        if fingerprint != prior.fingerprint:
            known = pretrained.name_of(fingerprint)
            maker = f"{known} ({fingerprint.hex()})" if known else fingerprint.hex()
            raise ModelError(f"entropy-coded with prior {maker}, but this is prior {prior.name}")
        return coder

    return find


@lru_cache(maxsize=4)
def _load(folder: Path) -> EntropyCoder:
    from vqaudio.prior import Prior

    # Never a GPU: one code at a time is too little work for it.
    return Prior.load(folder, "cpu").coder()
