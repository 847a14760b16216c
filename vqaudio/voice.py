"""Whose voice a codec is to speak in, chosen by name."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vqaudio.errors import ModelError
from vqaudio.models.voices import Voice
from vqaudio.models.vqvae import VQVAE

NAMED = 6
"""Speakers whom a message names."""


def choose(
    model: VQVAE,
    speakers: Sequence[str],
    speaker: str | None,
    semitones: float | None,
    counts: Tensor,
) -> Voice | None:
    """What the model is told for rows of codes; None for a model without voices.

    speakers: whom it knows, in its order; semitones: what to raise the pitch by, None to bring each
    row to the speaker's own; counts: [B, K], how often each code is in each row.
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
        octaves = [model.voices.octaves_to(place, row) for row in counts]
    else:
        octaves = [semitones / 12] * len(counts)
    return Voice(torch.full((len(counts),), place), torch.tensor(octaves))


def count(indices: Tensor, codebook_size: int) -> Tensor:
    """How often each code is there: int64 [...] -> int64 [K]."""
    return torch.bincount(indices.flatten(), minlength=codebook_size)


def _some(speakers: Sequence[str]) -> str:
    rest = len(speakers) - NAMED
    return ", ".join(speakers[:NAMED]) + (f" and {rest} more" if rest > 0 else "")
