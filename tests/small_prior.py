"""Small priors with random weights, and codes for them as a corpus is coded."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch
from torch import Tensor

from vqaudio.models.code_model import CodeModel, CodeModelConfig
from vqaudio.models.integer import IntegerCodeModel, IntegerCodeModelConfig
from vqaudio.models.integer_arithmetic import TABLE
from vqaudio.models.transformer import TransformerConfig
from vqaudio.models.wavenet import WaveNetConfig

K = 11
NETWORKS = [
    WaveNetConfig(width=16, skip=24, kernel=3, dilations=(1, 3), cycles=2),
    TransformerConfig(width=32, layers=2, heads=2, window=9),
]
"""Their receptive field is 17 codes."""
every_network = pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.kind)
FINGERPRINT = bytes(range(8))


@torch.no_grad()
def small_prior(network: WaveNetConfig | TransformerConfig, condition_width: int = 0) -> CodeModel:
    """Weights large enough for everything to matter."""
    torch.manual_seed(0)
    prior = CodeModel(CodeModelConfig(K, condition_width, network)).eval()
    for parameter in prior.parameters():
        parameter.mul_(3)
    return prior


def small_integer_prior(
    codebook_size: int = K, network: WaveNetConfig | None = None, seed: int = 0
) -> IntegerCodeModel:
    """Random weights, by which gates open and shut, sums round and activations reach their limits."""
    network = network or replace(NETWORKS[0], kernel=4)
    prior = IntegerCodeModel(IntegerCodeModelConfig(codebook_size, network)).eval()
    generator = torch.Generator().manual_seed(seed)

    def random(tensor: Tensor, low: int, high: int) -> Tensor:
        return torch.randint(low, high + 1, tensor.shape, generator=generator, dtype=tensor.dtype)

    state = prior.state_dict()
    for name in state:
        if name.endswith("weight"):
            state[name] = random(state[name], -127, 127)
        elif name.endswith("shift"):
            low, high = {"embedding": (0, 2), "taps": (5, 7), "residual": (7, 9)}.get(
                name.split(".")[0], (7, 9)
            )
            state[name] = random(state[name], low, high)
        elif name.endswith("bias"):
            state[name] = random(state[name], -999, 999)
        if name.startswith("taps.") and name.endswith("bias"):  # to the middle of the tables
            middle = torch.tensor([TABLE // 2, TABLE * 3 // 2]).repeat_interleave(network.width)
            state[name] += (middle << state[name.replace("bias", "shift")].int()).int()
    prior.load_state_dict(state)
    return prior


def some_codes(batch: int, length: int) -> Tensor:
    return torch.randint(K, (batch, length), generator=torch.Generator().manual_seed(1))


def write_codes(
    folder: Path,
    rows: Sequence[np.ndarray],
    speakers: Sequence[str] | None = None,
    fingerprint: bytes = FINGERPRINT,
    number: int = 0,
) -> Path:
    """One shard, as `vqaudio.data.encode_corpus` writes it; the folder."""
    tensors = {
        "indices": np.concatenate(rows).astype(np.uint16),
        "ends": np.cumsum([len(row) for row in rows], dtype=np.int64),
    }
    metadata = {
        "ids": json.dumps([f"clip{i}" for i in range(len(rows))]),
        "speakers": json.dumps(list(speakers or ["someone"] * len(rows))),
        "fingerprint": fingerprint.hex(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    shard = safetensors.numpy.save(tensors, metadata)
    (folder / f"codes-{number:05d}.safetensors").write_bytes(shard)
    return folder
