"""Training the codec: what one step does to encoder, codebook, decoder and discriminators."""

from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter

from vqaudio.data.dataset import CropConfig, Crops, VoiceBatch, VoiceCrops, batches
from vqaudio.data.manifest import Corpus
from vqaudio.data.perturbation import PerturbationConfig
from vqaudio.errors import ModelError
from vqaudio.losses.adversarial import discriminator_step, generator_step
from vqaudio.losses.spectral import MelScale, MultiScaleMel, high_pass
from vqaudio.models.discriminators import DiscriminatorConfig, Discriminators
from vqaudio.models.voices import Voice
from vqaudio.models.vqvae import VQVAE, VQVAEConfig
from vqaudio.training import distributed
from vqaudio.training.codebook import CodebookConfig, CodebookLearner
from vqaudio.training.held_out import HeldOut
from vqaudio.training.held_out_clips import of_speakers
from vqaudio.training.initial import Initial
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
class LossConfig:
    """Weights. They bring the mel term to about .2 late in a run, beside which beta has the paper's
    value and the adversarial terms weigh what they do in DAC. `floor`: see MultiScaleMel; nine in
    ten mel magnitudes of speech are below .05, so strong parts are compared by their ratio and weak
    ones by their difference. `high_pass`: what the decoder aims at has nothing below this, in Hz; 0
    for everything. Both were chosen by trials: recipes/folder/EXPERIMENTS.md."""

    mel: float = 5.0
    beta: float = 0.25
    codebook: float = 1.0
    adversarial: float = 0.1
    feature_matching: float = 0.2
    floor: float = 0.05
    high_pass: float = 70.0
    scales: tuple[MelScale, ...] = (
        MelScale(256, 20),
        MelScale(512, 40),
        MelScale(1024, 80),
        MelScale(2048, 160),
    )


@dataclass(frozen=True)
class CodecTrainingConfig:
    """`quantize_from`: until this step the decoder hears unquantised vectors; a codebook started on an
    untrained encoder collapses within some hundred steps. `adversarial_from`: null for never;
    `adversarial_crops`: of each batch the discriminators hear this many, null for all.
    `average_decay`: of the moving average of the weights, which is what is evaluated and shipped.
    `precision`: bf16 (autocast) or fp32. `perturbation`: of what the encoder hears, for a model with
    voices."""

    loop: LoopConfig = field(default_factory=LoopConfig)
    crops: CropConfig = field(default_factory=CropConfig)
    perturbation: PerturbationConfig = field(default_factory=PerturbationConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    codebook: CodebookConfig = field(default_factory=CodebookConfig)
    discriminators: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    quantize_from: int = 1500
    adversarial_from: int | None = None
    adversarial_crops: int | None = None
    average_decay: float = 0.999
    precision: str = "bf16"

    def __post_init__(self):
        check_precision(self.precision)
        if self.adversarial_from is not None and self.adversarial_from >= self.loop.steps:
            raise ValueError(
                f"adversarial_from {self.adversarial_from} is not before the end, {self.loop.steps}"
            )


class CodecTask:
    """One codec in training. `train` is the prepared corpus; `held_out` is judged, never trained on.

    A model with voices is told the speakers of `train`, in the order of their names, which checkpoints
    keep. Raises ModelError if it has not room for them.

    `initial`: weights to start from (fine-tuning): where they are complete there is no unquantised
    start.
    """

    def __init__(
        self,
        model: VQVAEConfig,
        config: CodecTrainingConfig,
        train: Corpus,
        held_out: HeldOut,
        device: torch.device,
        initial: Initial | None = None,
    ):
        self.config, self.device = config, device
        self.speakers = speakers_told(train, model.voices.speakers)
        of_speakers(held_out.waves, self.speakers)  # refused now, not at the first evaluation
        torch.manual_seed(config.loop.seed)
        self.model = self.make_model(model)
        self.quantize_from: int | None = config.quantize_from
        if initial is not None:
            own = initial.for_speakers(self.speakers)
            strict = initial.complete and own is initial
            self.model.load_state_dict(own.weights, strict=strict)
            if initial.complete:
                self.quantize_from = None  # the codebook has started already
        self.model.to(device)
        self.learner = self.make_learner().to(device)
        self.averaged = moving_average(self.model, config.average_decay)
        self.mel = MultiScaleMel(config.loss.scales, model.sample_rate, config.loss.floor).to(
            device
        )
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = adamw(self.parameters, config.optimizer)
        self.discriminators: Discriminators | None = None
        if config.adversarial_from is not None:
            self.discriminators = Discriminators(config.discriminators)
            if initial is not None and initial.discriminators is not None:
                self.discriminators.load_state_dict(initial.discriminators)
            self.discriminators.to(device)
            self.critic_optimizer = adamw(self.discriminators.parameters(), config.optimizer)
        given = {
            "frame": self.model.frame,
            "seed": config.loop.seed,
            "rank": distributed.rank(),
            "world_size": distributed.world_size(),
        }
        if self.speakers:
            given |= {"speakers": self.speakers, "perturbation": config.perturbation}
        self.crops = (VoiceCrops if self.speakers else Crops)(train, config.crops, **given)
        self.seconds_per_step = config.crops.batch_size * self.crops.length / model.sample_rate
        self.steps_per_epoch = max(1, round(train.hours * 3600 / self.seconds_per_step))
        self.held_out = held_out

    def make_model(self, model: VQVAEConfig) -> VQVAE:
        return VQVAE(model)

    def make_learner(self) -> nn.Module:
        """What is told of every quantised step, as a CodebookLearner is."""
        return CodebookLearner(self.config.codebook, self.model.quantizer)

    def _autocast(self) -> torch.autocast:
        return autocast(self.device, self.config.precision)

    def batches(self, steps: range) -> DataLoader:
        on_gpu = self.device.type == "cuda"
        return batches(self.crops, steps, self.config.loop.num_workers, pin_memory=on_gpu)

    def step(self, batch: Tensor | VoiceBatch, n: int) -> dict[str, Tensor | float]:
        """batch: [B, T] of this rank, or a VoiceBatch."""
        wave, heard, voice = self._to_device(batch)
        if n == self.quantize_from:
            self._start_codebook(n)
        rate = self._set_rate(n)
        quantize = self._quantizing(n)
        with self._autocast():
            decoded, z, quantized = self.model(heard, quantize, voice)
        weights = self.config.loss
        target = high_pass(wave, self.model.sample_rate, weights.high_pass)
        terms = {"mel": self.mel(decoded, target)}
        loss = weights.mel * terms["mel"]
        if quantized is not None:
            terms["commitment"] = quantized.commitment_loss
            loss = loss + weights.beta * quantized.commitment_loss
            if self.config.codebook.update == "loss":
                terms["codebook"] = quantized.codebook_loss
                loss = loss + weights.codebook * quantized.codebook_loss
        if self._adversarial(n):
            judged = slice(self.config.adversarial_crops)
            terms["discriminator"] = self._train_discriminators(target[judged], decoded[judged])
            with self._autocast():
                critics = generator_step(self.discriminators, target[judged], decoded[judged])
            terms |= critics._asdict()
            loss = loss + weights.adversarial * critics.adversarial
            loss = loss + weights.feature_matching * critics.feature_matching
        norm = descend(loss, self.parameters, self.optimizer, self.config.optimizer)
        figures = {name: term.detach() for name, term in terms.items()}
        figures |= {"loss": loss.detach(), "gradient_norm": norm, "learning_rate": rate}
        if quantized is not None:
            figures |= self.learner.learn(z, quantized.indices, self._generator(n))
            if (n + 1) % self.steps_per_epoch == 0:
                figures |= self.learner.take_usage()
        self.averaged.update_parameters(self.model)
        return figures

    def _to_device(self, batch: Tensor | VoiceBatch) -> tuple[Tensor, Tensor, Voice | None]:
        """What is to be said, what the encoder hears of it, and whose voice it is."""
        if isinstance(batch, Tensor):
            wave = batch.to(self.device, non_blocking=True)
            return wave, wave, None
        wave, heard, *voice = (tensor.to(self.device, non_blocking=True) for tensor in batch)
        return wave, heard, Voice(*voice)

    def _quantizing(self, n: int) -> bool:
        return self.quantize_from is None or n >= self.quantize_from

    def _adversarial(self, n: int) -> bool:
        return self.discriminators is not None and n >= self.config.adversarial_from

    def _train_discriminators(self, target: Tensor, decoded: Tensor) -> Tensor:
        with self._autocast():
            loss = discriminator_step(self.discriminators, target, decoded)
        parameters = list(self.discriminators.parameters())
        descend(loss, parameters, self.critic_optimizer, self.config.optimizer)
        return loss

    def _set_rate(self, n: int) -> float:
        config, steps = self.config.optimizer, self.config.loop.steps
        if self.discriminators is not None:
            set_rate(self.critic_optimizer, config, n, steps)
        return set_rate(self.optimizer, config, n, steps)

    def _generator(self, n: int) -> torch.Generator:
        """The same on every rank and after every resume."""
        return torch.Generator().manual_seed(self.config.loop.seed * 1_000_003 + n)

    def _start_codebook(self, n: int) -> None:
        def encode(i: int) -> Tensor:
            _, heard, _ = self._to_device(self.crops[i])
            with self._autocast():
                return self.model.quantizer.on_sphere(self.model.encoder(heard))

        self.learner.start_at(encode, n, self.config.loop.seed)
        self.averaged.n_averaged.zero_()  # the average restarts with the codebook

    def evaluate(self, n: int, writer: SummaryWriter) -> float:
        model = self.averaged.module
        model.eval()
        quantize = self._quantizing(n - 1)
        with self._autocast():
            score = self.held_out.judge(model, self.mel, n, writer, quantize, self.speakers)
        model.train()
        # Unquantised reconstructions are better than any codec's: they must not count as the best.
        return score if quantize else float("inf")

    def state_dict(self) -> dict[str, Any]:
        state = {
            "model_config": self.model.config.to_dict(),
            "training_config": asdict(self.config),
            "quantize_from": self.quantize_from,
            "speakers": self.speakers,
            "model": self.model.state_dict(),
            "averaged": self.averaged.state_dict(),
            "learner": self.learner.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        if self.discriminators is not None:
            state["discriminators"] = self.discriminators.state_dict()
            state["critic_optimizer"] = self.critic_optimizer.state_dict()
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Says what changed in the training configuration since; a run may be given more steps or
        another rate. Raises ModelError if the checkpoint is of another model, or of one that was told
        other speakers."""
        if VQVAEConfig.from_dict(state["model_config"]) != self.model.config:
            raise ModelError("the checkpoint to resume is of another model configuration")
        if (
            state.get("speakers", []) != self.speakers
        ):  # a checkpoint of before there were any has none
            raise ModelError("the checkpoint to resume knows other speakers than the corpus has")
        tell_differences(state["training_config"], self.config)
        self.quantize_from = state["quantize_from"]
        self.model.load_state_dict(state["model"])
        self.averaged.load_state_dict(state["averaged"])
        self.learner.load_state_dict(state["learner"])
        self.optimizer.load_state_dict(state["optimizer"])
        # A run may turn adversarial when it is resumed: its discriminators then start fresh.
        if self.discriminators is not None and "discriminators" in state:
            self.discriminators.load_state_dict(state["discriminators"])
            self.critic_optimizer.load_state_dict(state["critic_optimizer"])
