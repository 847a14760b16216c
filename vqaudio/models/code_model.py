"""The prior: how probable each code is, given the codes before it. WaveNet or Transformer inside."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqaudio.config import from_dict
from vqaudio.models.transformer import Transformer, TransformerConfig, TransformerState
from vqaudio.models.wavenet import WaveNet, WaveNetConfig, WaveNetState

NETWORKS = {network.kind: network for network in (WaveNetConfig, TransformerConfig)}

State = WaveNetState | TransformerState


@dataclass(frozen=True)
class CodeModelConfig:
    """`condition_width`: of the vectors that predictions are conditioned on, 0 for none. As plain
    values `network` also has a `kind`: wavenet or transformer."""

    codebook_size: int = 512
    condition_width: int = 0
    network: WaveNetConfig | TransformerConfig = field(default_factory=WaveNetConfig)

    def __post_init__(self):
        if self.codebook_size < 2 or self.condition_width < 0:
            raise ValueError("codebook_size must be at least 2, condition_width at least 0")

    def to_dict(self) -> dict[str, Any]:
        values = asdict(self)
        return {**values, "network": {"kind": self.network.kind, **values["network"]}}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "CodeModelConfig":
        """Raises ValueError, in one line, for an unknown kind or key or a wrong type."""
        network = dict(values.get("network", {}))
        kind = network.pop("kind", None)
        if kind not in NETWORKS:
            raise ValueError(f"network.kind must be one of {', '.join(NETWORKS)}, not {kind}")
        return from_dict(cls, {**values, "network": from_dict(NETWORKS[kind], network)})


class CodeModel(nn.Module):
    """A distribution over sequences of codes, one code at a time.

    `forward` predicts every code of whole sequences at once, for training and scoring; `start` and
    `step` predict one code after the other at a cost that does not depend on how many came before,
    for sampling and entropy coding. Both give the same logits but for rounding.

    A condition, if the configuration has one, is what else is known: [B, condition_width] for all of
    a sequence (a speaker), or in `forward` [B, N, condition_width], of which item n goes with code n.
    """

    def __init__(self, config: CodeModelConfig):
        super().__init__()
        self.config = config
        network = WaveNet if isinstance(config.network, WaveNetConfig) else Transformer
        self.network = network(config.network, config.condition_width)
        # One more than there are codes: what comes before the first.
        self.embedding = nn.Embedding(config.codebook_size + 1, self.network.input_width)
        self.head = nn.Linear(self.network.output_width, config.codebook_size)

    @property
    def codebook_size(self) -> int:
        return self.config.codebook_size

    @property
    def receptive_field(self) -> int:
        """Codes before a code on which its prediction depends; what is older changes nothing."""
        return self.network.receptive_field

    @property
    def device(self) -> torch.device:
        return self.head.weight.device

    def forward(self, indices: Tensor, condition: Tensor | None = None) -> Tensor:
        """int64 [B, N], each in [0, K) -> logits float32 [B, N, K]: item n predicts indices[:, n]
        from indices[:, :n]."""
        self._check(condition)
        if condition is not None and condition.ndim == 2:
            condition = condition.unsqueeze(1)
        previous = F.pad(indices[:, :-1], (1, 0), value=self.codebook_size)
        return self._logits(self.network(self.embedding(previous), condition))

    def bits(self, indices: Tensor, condition: Tensor | None = None) -> Tensor:
        """What each code costs, -log2 of its probability: float32 [B, N], 0 where there is no code
        (index -1, at the end of shorter rows)."""
        return code_bits(self(indices.clamp_min(0), condition), indices)

    @torch.inference_mode()
    def start(self, batch: int) -> State:
        """The state before the first code of `batch` sequences."""
        return self.network.start(batch)

    @torch.inference_mode()
    def step(
        self, previous: Tensor | None, state: State, condition: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Predict the next code. previous: int64 [B], the code that the last step predicted, None at
        the start; condition: [B, condition_width], of the code to predict.

        Returns logits float32 [B, K] and the state to go on from. The one given is used up.
        """
        self._check(condition)
        if (previous is None) != (state.position == 0):
            raise ValueError("there is a previous code at every step but the first")
        if previous is None:
            previous = torch.full((state.batch,), self.codebook_size, device=self.device)
        x = self.embedding(previous)
        return self._logits(self.network.step(x, state, condition)), state

    def _logits(self, x: Tensor) -> Tensor:
        # In bf16 logits would be off by some hundredths of a bit, for next to no time saved.
        with torch.autocast(x.device.type, enabled=False):
            return self.head(x.float())

    def _check(self, condition: Tensor | None) -> None:
        if (condition is None) != (self.config.condition_width == 0):
            needs = self.config.condition_width or "no"
            raise ValueError(f"this prior takes a condition of {needs} channels")


def code_bits(logits: Tensor, indices: Tensor) -> Tensor:
    """-log2 of each code's probability by logits [B, N, K]: float32 [B, N], 0 for index -1."""
    nats = F.cross_entropy(
        logits.flatten(0, 1), indices.flatten(), ignore_index=-1, reduction="none"
    )
    return nats.view_as(indices) / math.log(2)
