"""Whose voices a decoder is told while it trains."""

from vqaudio.data.manifest import Corpus
from vqaudio.errors import ModelError


def speakers_told(corpus: Corpus, room: int) -> list[str]:
    """The speakers of `corpus` in the order of their names; none where the model has no room for any.

    Raises ModelError if it has room for some, but not for all.
    """
    if not room:
        return []
    speakers = sorted({clip.speaker for clip in corpus.clips})
    if len(speakers) > room:
        raise ModelError(f"the corpus has {len(speakers)} speakers, the model room for {room}")
    return speakers
