"""Whose voice a codec is to speak in, chosen by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from vqaudio.errors import ModelError
from vqaudio.models.voices import BINS, Voice
from vqaudio.models.vqvae import VQVAE

NAMED = 6
"""Speakers whom a message names."""
CODES_AT_ONCE = 4096
"""Codes that are listened to at a time, which bounds memory."""


def check(
    model: VQVAE, speakers: Sequence[str], speaker: str | None, semitones: float | None = None
) -> None:
    """Raise ModelError for a speaker whom the model does not know, for one whom it cannot do without,
    and for a speaker or pitch that it has no use for. speakers: whom it knows."""
    if model.voices is None:
        if speaker is not None or semitones is not None:
            raise ModelError("this model knows no speakers: it has only the voice in the codes")
    elif speaker is None:
        raise ModelError(f"this model has to be told a speaker: {_some(speakers)}")
    elif speaker not in speakers:
        raise ModelError(f"this model knows no speaker {speaker}: it knows {_some(speakers)}")


def choose(
    model: VQVAE,
    speakers: Sequence[str],
    speaker: str | None,
    semitones: float | None,
    rows: int,
    hear: Callable[[], Tensor],
) -> Voice | None:
    """What the model is told for so many rows of codes; None for a model without voices.

    speakers: whom it knows, in its order; semitones: what to raise the pitch by, None to bring each
    row to the speaker's own; hear: gives the pitches of each row, as `listen` does, and is called
    only when they are wanted. Raises ModelError as `check` does.
    """
    check(model, speakers, speaker, semitones)
    if model.voices is None:
        return None
    place = speakers.index(speaker)
    if semitones is None:
        octaves = [model.voices.octaves_to(place, row) for row in hear()]
    else:
        octaves = [semitones / 12] * rows
    return Voice(torch.full((rows,), place), torch.tensor(octaves))


def listen(model: VQVAE, indices: Tensor) -> Tensor:
    """How often each pitch is in each row of codes: int64 [B, N] -> int64 [B, BINS]; nothing for a model
    without voices."""
    listening = Listening(model, len(indices))
    listening.push(indices)
    return listening.flush()


class Listening:
    """`listen`, while rows of codes come in, in any chunking: pieces are cut where it cuts them."""

    def __init__(self, model: VQVAE, rows: int):
        self._model = model
        self._rest = torch.empty(rows, 0, dtype=torch.int64)
        self._pitches = torch.zeros(rows, BINS, dtype=torch.int64)

    def push(self, indices: Tensor) -> None:
        """indices: int64 [B, n]."""
        self._rest = torch.cat([self._rest, indices.cpu()], dim=1)
        while self._rest.shape[1] >= CODES_AT_ONCE:
            self._hear(self._rest[:, :CODES_AT_ONCE])
            self._rest = self._rest[:, CODES_AT_ONCE:]

    def flush(self) -> Tensor:
        """int64 [B, BINS], of all that came."""
        if self._rest.shape[1]:
            self._hear(self._rest)
        return self._pitches

    @torch.inference_mode()
    def _hear(self, indices: Tensor) -> None:
        if self._model.voices is not None:
            quantizer = self._model.quantizer
            vectors = quantizer.lookup(indices.to(quantizer.codebook.device))
            self._pitches += self._model.voices.listener.heard(vectors)


def _some(speakers: Sequence[str]) -> str:
    rest = len(speakers) - NAMED
    return ", ".join(speakers[:NAMED]) + (f" and {rest} more" if rest > 0 else "")
