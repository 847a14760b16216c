"""Codes for training: the shards of a corpus, and which chunks of them a step gets."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset

from vqaudio.data.balance import SpeakerBalance, rows_of_rank
from vqaudio.errors import ModelError

NO_CODE = -1
"""Fills chunks past the end of a clip."""


class CodeCorpus:
    """The codes of a corpus, as `vqaudio.data.encode_corpus` wrote them, in memory.

    clips: uint16 [N] each; speakers: of each clip; fingerprint: of the codec, 8 bytes.
    Raises ModelError if the folder holds no such shards, or shards of several codecs.
    """

    def __init__(self, directory: Path | str):
        self.clips: list[np.ndarray] = []
        self.speakers: list[str] = []
        paths = sorted(Path(directory).glob("codes-*.safetensors"))
        if not paths:
            raise ModelError(f"{directory} holds no codes of a corpus")
        fingerprints = {self._read(path) for path in paths}
        if len(fingerprints) > 1:
            raise ModelError(f"{directory} holds codes of several codecs")
        self.fingerprint = bytes.fromhex(fingerprints.pop())

    def _read(self, path: Path) -> str:
        try:
            with safe_open(path, "numpy") as shard:
                metadata = shard.metadata()
                indices, ends = shard.get_tensor("indices"), shard.get_tensor("ends")
            clips, speakers = np.split(indices, ends[:-1]), json.loads(metadata["speakers"])
            if len(clips) != len(speakers) or min(map(len, clips)) == 0:
                raise ValueError("clips and speakers do not belong together")
            self.clips += clips
            self.speakers += speakers
            return metadata["fingerprint"]
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise ModelError(f"{path} is not codes of a corpus: {error}") from error

    @property
    def num_codes(self) -> int:
        return sum(len(clip) for clip in self.clips)

    def check(self, codebook_size: int) -> None:
        """Raises ModelError unless every code is in [0, codebook_size)."""
        highest = max(int(clip.max()) for clip in self.clips)
        if highest >= codebook_size:
            raise ModelError(
                f"the corpus has code {highest}: codebook_size {codebook_size} is not its"
            )


@dataclass(frozen=True)
class ChunkConfig:
    """`batch_size` chunks a step over all ranks, of `length` codes each: 320 as in the paper.

    A speaker is drawn with probability proportional to `codes ** speaker_power`, as in CropConfig.
    """

    batch_size: int = 16
    length: int = 320
    speaker_power: float = 0.5

    def __post_init__(self):
        if self.batch_size < 1 or self.length < 1:
            raise ValueError("chunks: batch_size and length must be at least 1")


class Chunks(Dataset):
    """Item n is the batch int64 [B / world_size, length] of step n on this rank.

    Chunk i of step n is drawn by a generator seeded with (seed, n, i) and i counts over all ranks:
    two ranks together see what one would have seen alone, and resuming needs no replay.
    """

    def __init__(
        self,
        corpus: CodeCorpus,
        config: ChunkConfig,
        *,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ):
        self.config, self.seed = config, seed
        self.rows = rows_of_rank(config.batch_size, rank, world_size)
        lengths = [len(clip) for clip in corpus.clips]
        self.balance = SpeakerBalance(corpus.clips, corpus.speakers, lengths, config.speaker_power)

    def __getitem__(self, step: int) -> Tensor:
        return torch.from_numpy(np.stack([self.chunk(step, row) for row in self.rows]))

    def chunk(self, step: int, row: int) -> np.ndarray:
        """int64 [length]: a stretch of one clip, or a short clip and then NO_CODE."""
        random = np.random.default_rng((self.seed, step, row))
        clip = self.balance.draw(random)
        start = int(random.integers(max(len(clip) - self.config.length, 0) + 1))
        piece = clip[start : start + self.config.length]
        chunk = np.full(self.config.length, NO_CODE, dtype=np.int64)
        chunk[: len(piece)] = piece
        return chunk


def whole_clips(corpus: CodeCorpus, codes: int) -> Iterator[Tensor]:
    """Every clip, as batches int64 [B, N] of up to `codes` codes (or one clip), filled with NO_CODE.

    Clips of about the same length come together, so that little of a batch is filling.
    """
    batch: list[Tensor] = []
    for clip in sorted(corpus.clips, key=len):
        if batch and (len(batch) + 1) * len(clip) > codes:
            yield pad_sequence(batch, batch_first=True, padding_value=NO_CODE)
            batch = []
        batch.append(torch.from_numpy(clip.astype(np.int64)))
    yield pad_sequence(batch, batch_first=True, padding_value=NO_CODE)
