"""How high each speaker speaks, and how to tell from codes how high a recording is.

A model with voices is told by how many octaves to raise the pitch that the codes have. To bring a
recording to a speaker's own pitch, both are wanted: the speaker's median is measured, and the
recording's is predicted from how often each code is in it, by a regression fitted here.
"""

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.linear_model import RidgeCV

from vqaudio import voice
from vqaudio.data.dataset import CropConfig, VoiceCrops
from vqaudio.data.manifest import Corpus
from vqaudio.data.perturbation import PerturbationConfig
from vqaudio.data.pitch import frequencies, median_pitch
from vqaudio.errors import VqaudioError
from vqaudio.models.vqvae import VQVAE

ENOUGH = 60.0
"""Seconds of a speaker that are listened to."""
STRETCH = 3.0
"""Seconds of a stretch that the regression learns from."""
STRETCHES = 1600
"""At most so many; fewer where the corpus is shorter than they are."""
HELD_OUT = 5
"""One stretch in so many is not learned from, and says how good the regression is."""


@dataclass(frozen=True)
class PitchFit:
    """error: of the pitch that codes tell, in semitones, root mean square over `stretches` that were
    not learned from; spread: of the pitch itself."""

    error: float
    spread: float
    stretches: int


@torch.inference_mode()
def measure(
    model: VQVAE, corpus: Corpus, speakers: list[str], seed: int = 0, stretch: float = STRETCH
) -> PitchFit:
    """Set `pitch` and `pitch_of_codes` of the model's voices.

    corpus: what it was trained on; speakers: of it, in the order that the model knows; stretch: seconds
    of the recordings whose pitch is learned. Raises
    VqaudioError where parselmouth is not installed, or too little of the corpus is voiced.
    """
    for place, speaker in enumerate(speakers):
        model.voices.pitch[place] = _of_speaker(corpus, speaker)
    shares, pitches = _stretches(model, corpus, speakers, seed, stretch)
    if len(pitches) < 2 * HELD_OUT:
        raise VqaudioError(
            f"only {len(pitches)} stretches with a voice: too few to learn pitch from"
        )
    tested = np.arange(len(pitches)) % HELD_OUT == 0
    ridge = RidgeCV(alphas=np.logspace(-6, 0, 13)).fit(shares[~tested], pitches[~tested])
    weights = np.append(ridge.coef_, ridge.intercept_)
    model.voices.pitch_of_codes.copy_(torch.from_numpy(weights))
    missed = pitches[tested] - ridge.predict(shares[tested])
    error, spread = 12 * np.sqrt(np.square(missed).mean()), 12 * pitches[tested].std()
    return PitchFit(round(float(error), 2), round(float(spread), 2), int(tested.sum()))


def _of_speaker(corpus: Corpus, speaker: str) -> float:
    """log2 of the median in Hz; that of 150 Hz for whoever whispers."""
    heard, found = 0.0, []
    for clip in (clip for clip in corpus.clips if clip.speaker == speaker):
        found.append(frequencies(corpus.samples(clip), clip.sample_rate))
        heard += clip.num_samples / clip.sample_rate
        if heard >= ENOUGH:
            break
    return float(np.log2(median_pitch(np.concatenate(found)) or 150.0))


def _stretches(
    model: VQVAE, corpus: Corpus, speakers: list[str], seed: int, seconds: float
) -> tuple[np.ndarray, np.ndarray]:
    """Of stretches, as recorded and in other voices: the share of each code, [M, K], and log2 of the
    median pitch in Hz, [M]."""
    total = int(min(STRETCHES, corpus.hours * 3600 / seconds))
    crops = VoiceCrops(
        corpus,
        CropConfig(batch_size=1, seconds=seconds),
        frame=model.frame,
        seed=seed,
        speakers=speakers,
        perturbation=PerturbationConfig(share=0.5),
    )
    shares, pitches = [], []
    for n in range(total):
        heard = crops[n].heard
        pitch = median_pitch(frequencies(heard[0].numpy(), corpus.sample_rate))
        if pitch:
            counts = voice.count(model.encode(heard), model.codebook_size)
            shares.append((counts / counts.sum()).numpy())
            pitches.append(np.log2(pitch))
    return np.array(shares), np.array(pitches)
