"""Training the prior: what one step does to a model of code sequences."""

from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter

from vqaudio.data.chunks import NO_CODE, ChunkConfig, Chunks, CodeCorpus
from vqaudio.data.dataset import batches
from vqaudio.errors import ModelError
from vqaudio.models.code_model import CodeModel, CodeModelConfig
from vqaudio.training import distributed
from vqaudio.training.codebook_start import start_from_codebook
from vqaudio.training.held_out_codes import HeldOutCodes
from vqaudio.training.loop import LoopConfig
from vqaudio.training.optimization import (
    OptimizerConfig,
    adamw,
    autocast,
    check_precision,
    descend,
    moving_average,
    set_rate,
    tell_differences,
)
from vqaudio.training.quantise import QuantisedCodeModel

CALIBRATION = 8
"""Batches by which the scales of an integer prior are set."""


@dataclass(frozen=True)
class PriorTrainingConfig:
    """`codes_per_second`: of the codec, by which the log tells speed. `average_decay`: of the moving
    average of the weights, which is what is evaluated. `precision`: bf16 (autocast) or fp32.
    `integer`: learn on in integer arithmetic, from a float prior. `codebook_start`: begin with what
    the codec's codebook tells of which codes are alike."""

    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(steps=20_000, eval_every=1000, num_workers=0)
    )
    chunks: ChunkConfig = field(default_factory=ChunkConfig)
    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(betas=(0.9, 0.99), decay=5000)
    )
    codes_per_second: float = 250.0
    average_decay: float = 0.999
    precision: str = "bf16"
    integer: bool = False
    codebook_start: bool = False

    def __post_init__(self):
        check_precision(self.precision)
        if self.integer and self.codebook_start:
            raise ValueError("an integer prior starts from a float prior, not from the codebook")


class PriorTask:
    """One prior in training, on the codes that one codec made of `train`; the codec stands still.

    initial: the model to start from, of the same configuration, None for random weights; an integer
    prior needs one. Raises ModelError if `held_out` is of another codec, or a code is not in the
    model's codebook, or what the prior is to start from is not there.
    """

    def __init__(
        self,
        model: CodeModelConfig,
        config: PriorTrainingConfig,
        train: CodeCorpus,
        held_out: HeldOutCodes,
        device: torch.device,
        initial: CodeModel | None = None,
    ):
        for corpus in (train, held_out.corpus):
            corpus.check(model.codebook_size)
        if train.fingerprint != held_out.corpus.fingerprint:
            raise ModelError("the training and the held-out codes are of different codecs")
        self.config, self.held_out, self.device = config, held_out, device
        self.fingerprint = train.fingerprint
        torch.manual_seed(config.loop.seed)
        self.model = self._start(model, train, initial)
        self.averaged = moving_average(self.model, config.average_decay)
        self.parameters = list(self.model.parameters())
        self.optimizer = adamw(self.parameters, config.optimizer)
        self.chunks = Chunks(
            train,
            config.chunks,
            seed=config.loop.seed,
            rank=distributed.rank(),
            world_size=distributed.world_size(),
        )
        codes_per_step = config.chunks.batch_size * config.chunks.length
        self.seconds_per_step = codes_per_step / config.codes_per_second

    def _start(
        self, config: CodeModelConfig, train: CodeCorpus, initial: CodeModel | None
    ) -> CodeModel | QuantisedCodeModel:
        model = CodeModel(config)
        if initial is not None:
            model.load_state_dict(initial.state_dict())
        elif self.config.codebook_start:
            if self.held_out.codec is None:
                raise ModelError("a start from the codebook needs the codec: data.codec=")
            start_from_codebook(model, self.held_out.codec.model.quantizer.codebook.cpu())
        model.to(self.device)
        if not self.config.integer:
            return model
        if initial is None:
            raise ModelError("an integer prior is made from a float prior: initial=")
        # All chunks of a step, so that all ranks set the same scales.
        chunks = Chunks(train, self.config.chunks, seed=self.config.loop.seed)
        return QuantisedCodeModel.of(model, [chunks[i].clamp_min(0) for i in range(CALIBRATION)])

    def _autocast(self) -> torch.autocast:
        return autocast(self.device, self.config.precision)

    def batches(self, steps: range) -> DataLoader:
        on_gpu = self.device.type == "cuda"
        return batches(self.chunks, steps, self.config.loop.num_workers, pin_memory=on_gpu)

    def step(self, batch: Tensor, n: int) -> dict[str, Tensor | float]:
        """batch: int64 [B, N] of this rank, NO_CODE past the end of a clip. The loss is in bits."""
        codes = batch.to(self.device, non_blocking=True)
        c = self.config.optimizer
        rate = set_rate(self.optimizer, c, n, self.config.loop.steps)
        with self._autocast():
            bits = self.model.bits(codes)
        # Per code over all ranks, some of which may have had more codes than others.
        count = distributed.mean_over_ranks((codes != NO_CODE).sum().float())
        loss = bits.sum() / count
        norm = descend(loss, self.parameters, self.optimizer, c)
        self.averaged.update_parameters(self.model)
        return {"loss": loss.detach(), "gradient_norm": norm, "learning_rate": rate}

    def evaluate(self, n: int, writer: SummaryWriter) -> float:
        model = self.averaged.module
        if isinstance(model, QuantisedCodeModel):
            return self.held_out.judge(model.frozen(), n, writer)
        model.eval()
        with self._autocast():
            score = self.held_out.judge(model, n, writer)
        model.train()
        return score

    def state_dict(self) -> dict[str, Any]:
        return {
            "model_config": self.model.config.to_dict(),
            "training_config": asdict(self.config),
            "codec_fingerprint": self.fingerprint.hex(),
            "model": self.model.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Says what changed in the training configuration since. Raises ModelError if the checkpoint
        is of another model, or learned from codes of another codec."""
        if state.get("model_config") != self.model.config.to_dict():
            raise ModelError("the checkpoint to resume is of another model configuration")
        if state["codec_fingerprint"] != self.fingerprint.hex():
            raise ModelError(
                f"the checkpoint to resume learned codes of codec {state['codec_fingerprint']}, "
                f"these are of {self.fingerprint.hex()}"
            )
        tell_differences(state["training_config"], self.config)
        self.model.load_state_dict(state["model"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimizer.load_state_dict(state["optimizer"])
