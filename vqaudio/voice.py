"""Whose voice a codec is to speak in, chosen by name."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vqaudio.errors import ModelError
from vqaudio.models.voices import BINS, Voice
from vqaudio.models.vqvae import VQVAE

NAMED = 6
"""Speakers whom a message names."""
CODES_AT_ONCE = 4096
"""Codes that are listened to at a time, which bounds memory."""


def choose(
    model: VQVAE,
    speakers: Sequence[str],
    speaker: str | None,
    semitones: float | None,
    pitches: Tensor,
) -> Voice | None:
    """What the model is told for rows of codes; None for a model without voices.

    speakers: whom it knows, in its order; semitones: what to raise the pitch by, None to bring each
    row to the speaker's own; pitches: of each row, as `listen` hears them.
    Raises ModelError for a speaker whom it does not know, for one whom it cannot do without, and for
    one that it has no use for.
    """
    if model.voices is None:
        if speaker is not None or semitones is not None:
            raise ModelError("this model knows no speakers: it has only the voice in the codes")
        return None
    if speaker is None:
        raise ModelError(f"this model has to be told a speaker: {_some(speakers)}")
    if speaker not in speakers:
        raise ModelError(f"this model knows no speaker {speaker}: it knows {_some(speakers)}")
    place = speakers.index(speaker)
    if semitones is None:
        octaves = [model.voices.octaves_to(place, row) for row in pitches]
    else:
        octaves = [semitones / 12] * len(pitches)
    return Voice(torch.full((len(pitches),), place), torch.tensor(octaves))


@torch.inference_mode()
def listen(model: VQVAE, indices: Tensor) -> Tensor:
    """How often each pitch is in each row of codes: int64 [B, N] -> int64 [B, BINS], which may be added
    up over the pieces of a recording; nothing for a model without voices."""
    pitches = torch.zeros(len(indices), BINS, dtype=torch.int64)
    if model.voices is not None:
        for part in indices.to(model.quantizer.codebook.device).split(CODES_AT_ONCE, dim=1):
            pitches += model.voices.listener.heard(model.quantizer.lookup(part))
    return pitches


def _some(speakers: Sequence[str]) -> str:
    rest = len(speakers) - NAMED
    return ", ".join(speakers[:NAMED]) + (f" and {rest} more" if rest > 0 else "")
