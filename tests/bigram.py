"""Stand-ins for priors that have learned something: how often codes come, or follow one another."""

import numpy as np
import torch
from torch import Tensor

from vqaudio.entropy import EntropyCoder
from vqaudio.models.integer import LEVELS_PER_BIT, IntegerCodeModel, IntegerCodeModelConfig
from vqaudio.models.wavenet import WaveNetConfig

FINGERPRINT = b"a prior."


def unigram_model(codes: Tensor, codebook_size: int = 512) -> IntegerCodeModel:
    """A prior that can be saved: the biases of its last layer are how often each code comes."""
    network = WaveNetConfig(width=4, skip=4, kernel=4, dilations=(1,), cycles=1)
    model = IntegerCodeModel(IntegerCodeModelConfig(codebook_size, network)).eval()
    often = torch.bincount(codes.flatten(), minlength=codebook_size) + 0.1
    levels = torch.round(LEVELS_PER_BIT * often.log2()).int()
    model.load_state_dict({**model.state_dict(), "head.bias": levels})
    return model


class Bigram:
    """Exact, as an IntegerCodeModel is, and with the same methods."""

    device = torch.device("cpu")

    def __init__(self, codes: np.ndarray, codebook_size: int, smoothing: float = 0.02) -> None:
        self.codebook_size = codebook_size
        pairs = np.full((codebook_size + 1, codebook_size), smoothing)
        for row in codes:
            np.add.at(pairs, (np.r_[codebook_size, row[:-1]], row), 1)
        self.table = torch.from_numpy(np.round(LEVELS_PER_BIT * np.log2(pairs)).astype(np.int32))

    def levels(self, indices: Tensor) -> Tensor:
        return self.table[
            torch.nn.functional.pad(indices[:, :-1], (1, 0), value=self.codebook_size)
        ]

    def start(self, batch: int) -> int:
        return batch

    def step_levels(self, previous: Tensor | None, state: int) -> tuple[Tensor, int]:
        if previous is None:
            previous = torch.full((state,), self.codebook_size)
        return self.table[previous], state

    def bits(self, indices: np.ndarray) -> np.ndarray:
        """What codes [C, n] cost by the exact probabilities, in all."""
        nats = self.levels(torch.from_numpy(indices)).double() * np.log(2) / LEVELS_PER_BIT
        chosen = nats.log_softmax(-1).gather(-1, torch.from_numpy(indices)[..., None])
        return -chosen.sum().item() / np.log(2)


def habits(channels: int, count: int, codebook_size: int = 512, seed: int = 0) -> np.ndarray:
    """Codes that often follow from the one before, int64 [C, n]: like speech, they can be packed."""
    rng = np.random.default_rng(seed)
    steps = rng.integers(0, codebook_size, (channels, count))
    often = rng.random((channels, count)) < 0.8
    steps[often] = rng.geometric(0.2, (channels, count))[often]
    return steps.cumsum(axis=1) % codebook_size


def bigram_coder(codebook_size: int = 512) -> EntropyCoder:
    """A coder that has learned `habits`."""
    return EntropyCoder(Bigram(habits(4, 20000, codebook_size, 9), codebook_size), FINGERPRINT)
