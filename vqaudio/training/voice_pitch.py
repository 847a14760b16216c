"""How high each speaker speaks, and a listener that hears in codes how high a recording is.

A model with voices is told by how many octaves to raise the pitch that the codes have. To bring a
recording to a speaker's own pitch, both are wanted. Praat measures the speakers, and teaches the
listener on the codes of the corpus, as recorded and in other voices.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vqaudio import voice
from vqaudio.data.dataset import CropConfig, VoiceCrops
from vqaudio.data.manifest import Corpus
from vqaudio.data.perturbation import PerturbationConfig
from vqaudio.data.pitch import frequencies, listen, median_pitch
from vqaudio.errors import VqaudioError
from vqaudio.models.voices import median
from vqaudio.models.vqvae import VQVAE

ENOUGH = 60.0
"""Seconds of a speaker that are listened to."""
STRETCH = 3.0
"""Seconds of the stretches that the listener learns from."""
STRETCHES = 1600
"""At most so many; fewer where the corpus is shorter than they are."""
HELD_OUT = 5
"""One stretch in so many is not learned from, and says how well it hears."""
BATCH, EPOCHS, RATE = 16, 8, 2e-3


@dataclass(frozen=True)
class PitchFit:
    """error: of the median pitch that is heard in codes, in semitones, root mean square over
    `stretches` that were not learned from, though they may overlap others of the same clip that were;
    spread: of the median pitch itself."""

    error: float
    spread: float
    stretches: int


class Stretches(NamedTuple):
    """indices: int64 [M, N]; height: float32 [M, N], log2 of the pitch in Hz at each code, 0 where there
    is no voice."""

    indices: Tensor
    height: Tensor


def measure(
    model: VQVAE, corpus: Corpus, speakers: list[str], seed: int = 0, stretch: float = STRETCH
) -> PitchFit:
    """Set `pitch` of the model's voices, and teach their listener.

    corpus: what it was trained on; speakers: of it, in the order that the model knows; stretch: seconds
    of what is listened to. Raises VqaudioError where parselmouth is not installed, or too little of the
    corpus is voiced.
    """
    for place, speaker in enumerate(speakers):
        model.voices.pitch[place] = _of_speaker(corpus, speaker)
    stretches = _stretches(model, corpus, speakers, seed, stretch)
    if len(stretches.indices) < 2 * HELD_OUT:
        raise VqaudioError(
            f"only {len(stretches.indices)} stretches have a voice: too few to learn"
        )
    tested = torch.arange(len(stretches.indices)) % HELD_OUT == 0
    _teach(model, Stretches(*(part[~tested] for part in stretches)), seed)
    return _test(model, Stretches(*(part[tested] for part in stretches)))


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
) -> Stretches:
    """Those with a voice in them."""
    crops = VoiceCrops(
        corpus,
        CropConfig(batch_size=1, seconds=seconds),
        frame=model.frame,
        seed=seed,
        speakers=speakers,
        perturbation=PerturbationConfig(share=0.5),
    )
    times = (np.arange(crops.length // model.hop) + 0.5) * model.hop / corpus.sample_rate
    indices, heights = [torch.empty(0, len(times)).long()], [torch.empty(0, len(times))]
    for n in range(int(min(STRETCHES, corpus.hours * 3600 / seconds))):
        heard = crops[n].heard
        hertz = listen(heard[0].numpy(), corpus.sample_rate).at(times)
        if hertz.any():
            indices.append(model.encode(heard))
            height = np.log2(hertz, out=np.zeros_like(hertz), where=hertz > 0)
            heights.append(torch.from_numpy(height).float()[None])
    return Stretches(torch.cat(indices), torch.cat(heights))


def _teach(model: VQVAE, stretches: Stretches, seed: int) -> None:
    listener = model.voices.listener.requires_grad_(True)
    generator = torch.Generator().manual_seed(seed)
    steps = EPOCHS * -(-len(stretches.indices) // BATCH)
    optimizer = torch.optim.AdamW(listener.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    for _ in range(EPOCHS):
        order = torch.randperm(len(stretches.indices), generator=generator)
        for rows in order.split(BATCH):
            vectors = model.quantizer.lookup(stretches.indices[rows]).detach()
            wanted = stretches.height[rows]
            height, voiced = listener(vectors)
            loss = F.binary_cross_entropy_with_logits(voiced, (wanted > 0).float())
            if (wanted > 0).any():
                loss = loss + 4 * (height - wanted)[wanted > 0].abs().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    listener.requires_grad_(False)


def _test(model: VQVAE, stretches: Stretches) -> PitchFit:
    pitches = voice.listen(model, stretches.indices)
    wanted = np.array([float(row[row > 0].median()) for row in stretches.height])
    # Where it hears no voice at all, it would leave the pitch as it is: the mean will do here.
    heard = np.array([median(row) if row.any() else wanted.mean() for row in pitches])
    error, spread = np.sqrt(np.square(heard - wanted).mean()), wanted.std()
    return PitchFit(round(float(12 * error), 2), round(float(12 * spread), 2), len(wanted))
