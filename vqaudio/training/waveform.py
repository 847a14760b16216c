"""Training the paper's model: encoder, codebook and WaveNet decoder by the likelihood of samples."""

from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter

from vqaudio.data.dataset import CropConfig, Crops, SpeakerCrops, batches
from vqaudio.data.manifest import Corpus
from vqaudio.errors import ModelError
from vqaudio.models.vqvae import VQVAE
from vqaudio.models.waveform_vqvae import WaveformVQVAE, WaveformVQVAEConfig
from vqaudio.training import distributed
from vqaudio.training.codebook import CodebookConfig, CodebookLearner
from vqaudio.training.held_out_clips import of_speakers
from vqaudio.training.held_out_waves import HeldOutWaves
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
from vqaudio.training.speakers import speakers_told


@dataclass(frozen=True)
class WaveformLossConfig:
    """Weights beside the likelihood, which counts as the mean of bits per sample."""

    beta: float = 0.25
    codebook: float = 1.0


@dataclass(frozen=True)
class WaveformTrainingConfig:
    """`quantize_from`: until this step the decoder is told unquantised vectors. `average_decay`: of the
    moving average of the weights, which is what is evaluated. `precision`: bf16 (autocast) or fp32.
    `seconds_shown`: of speech that an evaluation draws from codes, to be heard; 0 for none."""

    loop: LoopConfig = field(default_factory=LoopConfig)
    crops: CropConfig = field(default_factory=CropConfig)
    loss: WaveformLossConfig = field(default_factory=WaveformLossConfig)
    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(rate=5e-4, betas=(0.9, 0.99))
    )
    codebook: CodebookConfig = field(default_factory=CodebookConfig)
    quantize_from: int = 1500
    average_decay: float = 0.999
    precision: str = "bf16"
    seconds_shown: float = 1.0

    def __post_init__(self):
        check_precision(self.precision)


class WaveformTask:
    """One model in training. `train` is the prepared corpus; `held_out` is judged, never trained on.

    A decoder with speakers is told those of `train`, in the order of their names, which checkpoints
    keep. Raises ModelError if it has not room for them.

    `initial`: a codec whose encoder and codebook to start from, None for random weights. There is no
    unquantised start then. Raises ModelError if they are of another configuration.
    """

    def __init__(
        self,
        model: WaveformVQVAEConfig,
        config: WaveformTrainingConfig,
        train: Corpus,
        held_out: HeldOutWaves,
        device: torch.device,
        initial: VQVAE | None = None,
    ):
        self.config, self.held_out, self.device = config, held_out, device
        self.speakers = speakers_told(train, model.decoder.speakers)
        of_speakers(held_out.waves, self.speakers)  # refused now, not at the first evaluation
        torch.manual_seed(config.loop.seed)
        self.model = WaveformVQVAE(model)
        self.quantize_from: int | None = config.quantize_from
        if initial is not None:
            self._start_from(initial)
        self.model.to(device)
        self.learner = CodebookLearner(config.codebook, self.model.quantizer).to(device)
        self.averaged = moving_average(self.model, config.average_decay)
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = adamw(self.parameters, config.optimizer)
        given = {
            "frame": self.model.hop,
            "seed": config.loop.seed,
            "rank": distributed.rank(),
            "world_size": distributed.world_size(),
        }
        if self.speakers:
            given["speakers"] = self.speakers
        self.crops = (SpeakerCrops if self.speakers else Crops)(train, config.crops, **given)
        self.seconds_per_step = config.crops.batch_size * self.crops.length / model.sample_rate
        self.steps_per_epoch = max(1, round(train.hours * 3600 / self.seconds_per_step))

    def _start_from(self, codec: VQVAE) -> None:
        ours, theirs = self.model.config, codec.config
        if (ours.encoder, ours.quantizer) != (theirs.encoder, theirs.quantizer):
            raise ModelError("the codec to start from has another encoder or codebook: model=")
        self.model.encoder.load_state_dict(codec.encoder.state_dict())
        self.model.quantizer.load_state_dict(codec.quantizer.state_dict())
        self.quantize_from = None  # the codebook has started already

    def _autocast(self) -> torch.autocast:
        return autocast(self.device, self.config.precision)

    def batches(self, steps: range) -> DataLoader:
        on_gpu = self.device.type == "cuda"
        return batches(self.crops, steps, self.config.loop.num_workers, pin_memory=on_gpu)

    def step(self, batch: Tensor | tuple[Tensor, Tensor], n: int) -> dict[str, Tensor | float]:
        """batch: wave [B, T] of this rank, with speakers also who speaks, int64 [B]. `bits` is per
        sample."""
        wave, speaker = self._to_device(batch)
        if n == self.quantize_from:
            self._start_codebook(n)
        c = self.config.optimizer
        rate = set_rate(self.optimizer, c, n, self.config.loop.steps)
        with self._autocast():
            bits, z, quantized = self.model(wave, speaker, self._quantizing(n))
        weights = self.config.loss
        terms = {"bits": bits.mean()}
        loss = terms["bits"]
        if quantized is not None:
            terms["commitment"] = quantized.commitment_loss
            loss = loss + weights.beta * quantized.commitment_loss
            if self.config.codebook.update == "loss":
                terms["codebook"] = quantized.codebook_loss
                loss = loss + weights.codebook * quantized.codebook_loss
        norm = descend(loss, self.parameters, self.optimizer, c)
        figures = {name: term.detach() for name, term in terms.items()}
        figures |= {"loss": loss.detach(), "gradient_norm": norm, "learning_rate": rate}
        if quantized is not None:
            # The same on every rank and after every resume.
            generator = torch.Generator().manual_seed(self.config.loop.seed * 1_000_003 + n)
            figures |= self.learner.learn(z, quantized.indices, generator)
            if (n + 1) % self.steps_per_epoch == 0:
                figures |= self.learner.take_usage()
        self.averaged.update_parameters(self.model)
        return figures

    def _to_device(self, batch: Tensor | tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor | None]:
        if isinstance(batch, Tensor):
            return batch.to(self.device, non_blocking=True), None
        wave, speaker = (tensor.to(self.device, non_blocking=True) for tensor in batch)
        return wave, speaker

    def _quantizing(self, n: int) -> bool:
        return self.quantize_from is None or n >= self.quantize_from

    def _start_codebook(self, n: int) -> None:
        def encode(i: int) -> Tensor:
            wave, _ = self._to_device(self.crops[i])
            with self._autocast():
                return self.model.quantizer.on_sphere(self.model.encoder(wave))

        self.learner.start_at(encode, n, self.config.loop.seed)
        self.averaged.n_averaged.zero_()  # the average restarts with the codebook

    def evaluate(self, n: int, writer: SummaryWriter) -> float:
        model = self.averaged.module
        model.eval()
        quantize = self._quantizing(n - 1)
        with self._autocast():
            score = self.held_out.judge(model, self.speakers or None, n, writer, quantize)
        model.train()
        # Told unquantised vectors it predicts better than with codes: that must not be the best.
        return score if quantize else float("inf")

    def state_dict(self) -> dict[str, Any]:
        return {
            "model_config": self.model.config.to_dict(),
            "training_config": asdict(self.config),
            "quantize_from": self.quantize_from,
            "speakers": self.speakers,
            "model": self.model.state_dict(),
            "averaged": self.averaged.state_dict(),
            "learner": self.learner.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Says what changed in the training configuration since. Raises ModelError if the checkpoint
        is of another model, or of one that was told other speakers."""
        if state.get("model_config") != self.model.config.to_dict():
            raise ModelError("the checkpoint to resume is of another model configuration")
        if state["speakers"] != self.speakers:
            raise ModelError("the checkpoint to resume knows other speakers than the corpus has")
        tell_differences(state["training_config"], self.config)
        self.quantize_from = state["quantize_from"]
        self.model.load_state_dict(state["model"])
        self.averaged.load_state_dict(state["averaged"])
        self.learner.load_state_dict(state["learner"])
        self.optimizer.load_state_dict(state["optimizer"])
