"""Words to phones in time, by PocketSphinx: its English model is inside the package.

39 phones and silence (CMUdict's, without stress), in steps of 10 ms.
"""

import re
import unicodedata
from functools import lru_cache

import numpy as np

from vqaudio.errors import AudioError
from vqaudio.evaluation.metrics.metric import Package
from vqaudio.evaluation.phonemes.alignment import UNKNOWN, Phone, label

POCKETSPHINX = Package("pocketsphinx", "pocketsphinx", ">=5")
SAMPLE_RATE = 16000
STEP = 0.01  # seconds


# What a letter is about as long as: the words around are to be found, not the phones of this one.
_SOUNDS = "AE B K D EH F G HH IH JH K L M N AA P K R S T AH V W K IY Z"
_LETTERS = dict(zip("abcdefghijklmnopqrstuvwxyz", _SOUNDS.split(), strict=True))


def words_of(text: str) -> list[str]:
    """Lower case, without punctuation but apostrophes: "O'Neill -- don't" is o'neill, don't."""
    return re.findall(r"[^\W_]+(?:'[^\W_]+)*", text.lower().replace("’", "'"))


def align(wave: np.ndarray, text: str) -> tuple[Phone, ...]:
    """The phones of `text`, with the pauses between words, as they are said in `wave`.

    wave: float [T] at 16 kHz in [-1, 1]. Words have several pronunciations: the one that fits best is
    taken. What is said in the time of a word that is not in the dictionary is UNKNOWN. Raises
    AudioError where nothing is known, or the words do not fit the wave.
    """
    words = words_of(text)
    unknown = {word for word in words if not _pronounced(word)}
    if not set(words) - unknown:
        raise AudioError("no words of the dictionary")
    samples = (wave * 32768).round().clip(-32768, 32767).astype("<i2").tobytes()
    decoder = _decoder()
    phones: list[Phone] = []
    try:
        decoder.set_align_text(" ".join(words))
        _pass(decoder, samples)  # words
        decoder.set_alignment()
        _pass(decoder, samples)  # the phones of each within its time
        for word in decoder.get_alignment():
            is_known = re.sub(r"\(\d+\)$", "", word.name) not in unknown
            for phone in word:
                start, name = phone.start * STEP, label(phone.name) if is_known else UNKNOWN
                phones.append(Phone(start, start + phone.duration * STEP, name))
    except (RuntimeError, TypeError):  # TypeError: there is no alignment to go through
        raise AudioError("the words do not fit the sound") from None
    return tuple(phones)


def _pass(decoder, samples: bytes) -> None:
    decoder.start_utt()
    decoder.process_raw(samples, full_utt=True)
    decoder.end_utt()


def _pronounced(word: str) -> bool:
    """Whether the dictionary has the word, or, as "'s" is said as after any other, what is before.

    Of others the decoder gets to know about how long they are.
    """
    decoder = _decoder()
    if word in _made_up():
        return False
    if decoder.lookup_word(word):
        return True
    stem = decoder.lookup_word(word[:-2]) if word.endswith("'s") else None
    if stem is None or word[:-2] in _made_up():
        plain = unicodedata.normalize("NFKD", word)
        sounds = [_LETTERS[letter] for letter in plain if letter in _LETTERS]
        decoder.add_word(word, " ".join(sounds or ["AH"]), True)
        _made_up().add(word)
        return False
    last = stem.split()[-1]
    if last in {"S", "Z", "SH", "ZH", "CH", "JH"}:
        ending = "AH Z"
    else:
        ending = "S" if last in {"P", "T", "K", "F", "TH"} else "Z"
    decoder.add_word(word, f"{stem} {ending}", True)
    return True


@lru_cache(maxsize=1)
def _made_up() -> set[str]:
    """Words that the decoder knows but the dictionary does not."""
    return set()


@lru_cache(maxsize=1)
def _decoder():
    from pocketsphinx import Decoder

    # cmn: of the clip alone, so that an alignment does not depend on the clips before. bestpath: off,
    # for it puts words of a frame at the ends, which no phones fit into. Beams: wider than usual.
    beams = {"beam": 1e-80, "pbeam": 1e-80, "wbeam": 1e-60}
    return Decoder(lm=None, loglevel="FATAL", bestpath=False, cmn="batch", **beams)
