"""A codec and priors for it, small and quick, one of which knows something."""

import numpy as np
import torch

from tests.small_prior import NETWORKS, small_integer_prior
from vqaudio.codec import Codec
from vqaudio.models.code_model import CodeModel, CodeModelConfig
from vqaudio.models.integer import LEVELS_PER_BIT
from vqaudio.prior import Prior


def float_prior(codec: Codec, network=NETWORKS[0]) -> Prior:
    torch.manual_seed(0)
    model = CodeModel(CodeModelConfig(512, network=network))
    return Prior(model, {"name": network.kind, "codec": codec.fingerprint.hex()})


def counting_prior(codec: Codec, codes: np.ndarray) -> Prior:
    """An integer prior that knows how frequent each code is, and nothing else."""
    model = small_integer_prior(512)
    state = {name: torch.zeros_like(value) for name, value in model.state_dict().items()}
    shares = (np.bincount(codes, minlength=512) + 0.1) / len(codes)
    state["head.bias"] = torch.from_numpy(np.round(LEVELS_PER_BIT * np.log2(shares))).int()
    model.load_state_dict(state)
    return Prior(model, {"name": "counting", "codec": codec.fingerprint.hex()})
