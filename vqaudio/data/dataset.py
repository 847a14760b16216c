"""Crops of speech for training: which crop a step gets is a function of seed, step and rank."""

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vqaudio.data.balance import SpeakerBalance, rows_of_rank
from vqaudio.data.manifest import Clip, Corpus
from vqaudio.data.perturbation import PerturbationConfig, perturb
from vqaudio.level import gain_for


@dataclass(frozen=True)
class CropConfig:
    """`batch_size` crops a step over all ranks, of `seconds` each.

    A speaker is drawn with probability proportional to `hours ** speaker_power`: below 1, a corpus
    in which few speakers say most of it still teaches many voices. Crops are scaled to the level the
    codec codes at, give or take up to `level_jitter` dB.
    """

    batch_size: int = 8
    seconds: float = 0.512
    speaker_power: float = 0.5
    level_jitter: float = 4.0


class Crops(Dataset):
    """Item n is the batch [B / world_size, T] of step n on this rank.

    Crop i of step n is drawn by a generator seeded with (seed, n, i) and i counts over all ranks: two
    ranks together see what one would have seen alone, and resuming at step n needs no replay.
    """

    def __init__(
        self,
        corpus: Corpus,
        config: CropConfig,
        *,
        frame: int,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ):
        self.corpus, self.config, self.seed = corpus, config, seed
        self.length = round(config.seconds * corpus.sample_rate / frame) * frame
        self.rows = rows_of_rank(config.batch_size, rank, world_size)
        self.balance = SpeakerBalance(
            corpus.clips,
            [clip.speaker for clip in corpus.clips],
            [clip.num_samples for clip in corpus.clips],
            config.speaker_power,
        )

    def __getitem__(self, step: int) -> Tensor:
        return torch.from_numpy(np.stack([self.crop(step, row) for row in self.rows]))

    def crop(self, step: int, row: int) -> np.ndarray:
        """float32 [T]: a stretch of one clip, or a short clip somewhere in silence."""
        clip, random = self._draw(step, row)
        gain = gain_for(clip.level + random.uniform(-1, 1) * self.config.level_jitter)
        slack = clip.num_samples - self.length
        start = int(random.integers(abs(slack) + 1))
        if slack >= 0:
            return gain * self.corpus.samples(clip, start, start + self.length)
        crop = np.zeros(self.length, dtype=np.float32)
        crop[start : start + clip.num_samples] = gain * self.corpus.samples(clip)
        return crop

    def speaker(self, step: int, row: int) -> str:
        """Whose voice `crop` is."""
        return self._draw(step, row)[0].speaker

    def _draw(self, step: int, row: int) -> tuple[Clip, np.random.Generator]:
        random = np.random.default_rng((self.seed, step, row))
        return self.balance.draw(random), random


class SpeakerCrops(Crops):
    """As Crops, with who speaks: item n is (wave [B, T], int64 [B], places in `speakers`).

    speakers: all of the corpus.
    """

    def __init__(self, *arguments: Any, speakers: Sequence[str], **named: Any):
        super().__init__(*arguments, **named)
        self.places = {speaker: i for i, speaker in enumerate(speakers)}

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        places = [self.places[self.speaker(step, row)] for row in self.rows]
        return super().__getitem__(step), torch.tensor(places)


class VoiceBatch(NamedTuple):
    """wave: [B, T], what is to be said; heard: [B, T], the same in other voices; speaker: int64 [B],
    whose voice `wave` is; octaves: float32 [B], how much higher its pitch is than that of `heard`."""

    wave: Tensor
    heard: Tensor
    speaker: Tensor
    octaves: Tensor


class VoiceCrops(SpeakerCrops):
    """As SpeakerCrops, perturbed for the encoder: item n is a VoiceBatch."""

    def __init__(self, *arguments: Any, perturbation: PerturbationConfig, **named: Any):
        super().__init__(*arguments, **named)
        self.perturbation = perturbation

    def __getitem__(self, step: int) -> VoiceBatch:
        wave, speaker = super().__getitem__(step)
        heard = [
            perturb(
                crop.numpy(),
                self.corpus.sample_rate,
                self.perturbation,
                np.random.default_rng((self.seed, step, row, 1)),
            )
            for row, crop in zip(self.rows, wave, strict=True)
        ]
        waves = torch.from_numpy(np.stack([one.wave for one in heard]))
        return VoiceBatch(wave, waves, speaker, torch.tensor([one.octaves for one in heard]))


def batches(crops: Crops, steps: range, num_workers: int, pin_memory: bool) -> DataLoader:
    """Iterates the batches of `steps` in order, made ahead of time by `num_workers` processes."""
    return DataLoader(
        crops,
        batch_size=None,
        sampler=steps,
        num_workers=num_workers,
        pin_memory=pin_memory,
        prefetch_factor=8 if num_workers else None,
        worker_init_fn=_leave_signals_to_the_run,
    )


def _leave_signals_to_the_run(_worker: int) -> None:
    """Ctrl-C and schedulers signal a whole process group. The run itself ends after the step in
    progress; without its workers it could not."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
