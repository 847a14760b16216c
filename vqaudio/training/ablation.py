"""A codec in training with something changed that nobody would ship, to see what it was good for."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from vqaudio.models.bottlenecks import VQ, BottleneckConfig
from vqaudio.models.quantizer import VectorQuantizer
from vqaudio.models.vqvae import VQVAE, VQVAEConfig
from vqaudio.training.codec import CodecTask, CodecTrainingConfig


@dataclass(frozen=True)
class AblationConfig(CodecTrainingConfig):
    """`bottleneck`: what stands in the quantiser's place. Of a Gaussian, `loss.beta` weighs each bit
    a code that it is off its rate."""

    bottleneck: BottleneckConfig = field(default_factory=BottleneckConfig)


def build(model: VQVAEConfig, bottleneck: BottleneckConfig) -> VQVAE:
    """Whatever the bottleneck, encoder and decoder start from the same random weights."""
    vqvae = VQVAE(model)
    if bottleneck.kind != VQ:
        vqvae.quantizer = bottleneck.make(model.quantizer)
    return vqvae


class AblationTask(CodecTask):
    """As CodecTask; and each evaluation tells how many codes of the held-out clips are not what they
    were at the one before, by the weights in training.

    scores, flips: [(step, mel distance or share), ...], kept in the checkpoints.
    """

    def __init__(self, model: VQVAEConfig, config: AblationConfig, *arguments: Any, **named: Any):
        self.scores: list[tuple[int, float]] = []
        self.flips: list[tuple[int, float]] = []
        self.codes = torch.empty(0, dtype=torch.int64)
        super().__init__(model, config, *arguments, **named)

    def make_model(self, model: VQVAEConfig) -> VQVAE:
        return build(model, self.config.bottleneck)

    def make_learner(self) -> nn.Module:
        learns = isinstance(self.model.quantizer, VectorQuantizer)
        return super().make_learner() if learns else NothingToLearn()

    def evaluate(self, n: int, writer: SummaryWriter) -> float:
        score = super().evaluate(n, writer)
        if self._quantizing(n - 1):
            self.scores.append((n, score))
            codes = self._held_out_codes()
            if len(self.codes):
                share = (codes != self.codes).float().mean().item()
                self.flips.append((n, share))
                writer.add_scalar("held-out/flips", share, n)
            self.codes = codes
        return score

    @torch.inference_mode()
    def _held_out_codes(self) -> Tensor:
        """int64 [N], of all clips one after the other; of what has no codes, none."""
        self.model.eval()
        quantizer, found = self.model.quantizer, []
        for wave, _ in self.held_out.waves:
            with self._autocast():
                z = quantizer.on_sphere(self.model.encoder(wave[None].to(self.device)))
                found.append(quantizer(z).indices.flatten().cpu())
        self.model.train()
        return torch.cat(found)

    def state_dict(self) -> dict[str, Any]:
        history = {"scores": self.scores, "flips": self.flips, "codes": self.codes}
        return super().state_dict() | history

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.scores, self.flips, self.codes = (state[k] for k in ("scores", "flips", "codes"))


class NothingToLearn(nn.Module):
    """Instead of a CodebookLearner, where there is no codebook."""

    def start_at(self, encode: Any, n: int, seed: int) -> None:
        pass

    def learn(self, z: Tensor, indices: Tensor, generator: torch.Generator) -> dict[str, float]:
        return {}

    def take_usage(self) -> dict[str, float]:
        return {}
