"""Weights that a run starts from: a released codec, its discriminators, or what fits of another."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import safetensors
import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from vqaudio import modelfiles, pretrained
from vqaudio.config import from_dict
from vqaudio.errors import ModelError
from vqaudio.files import atomic_write
from vqaudio.models.discriminators import DiscriminatorConfig
from vqaudio.models.vqvae import VQVAE, VQVAEConfig

CRITICS = "discriminators.safetensors"
"""Beside model.safetensors, for whoever trains on; the codec does without."""
OF_SPEAKERS = ("voices.embedding.weight", "voices.pitch")
"""Weights with a row for every speaker."""


@dataclass(frozen=True)
class Initial:
    """weights: of the codec, all of them or, if not `complete`, some; discriminators: None when there
    are none that fit; speakers: whose voices the weights have, in their order."""

    weights: dict[str, Tensor]
    complete: bool
    discriminators: dict[str, Tensor] | None
    speakers: tuple[str, ...] = ()

    def for_speakers(self, speakers: list[str]) -> "Initial":
        """The same, less the voices where they are not those of `speakers`."""
        if not speakers or speakers == [*self.speakers]:
            return self
        kept = {name: value for name, value in self.weights.items() if name not in OF_SPEAKERS}
        return replace(self, weights=kept)


def load(
    name: str, config: VQVAEConfig, critics: DiscriminatorConfig | None, part: bool = False
) -> Initial:
    """Read a packaged model or a folder with one.

    critics: the discriminators that are wanted, None for none. Where the release has others, the run
    starts with fresh ones. With `part` a model of another configuration will do: the weights whose
    names and shapes agree are taken, the codebook never, since it belongs to its encoder.
    Raises ModelError when there is no such model, or it is of another configuration.
    """
    folder = pretrained.folder_of(name)
    model, card = modelfiles.read(folder)
    weights, complete = model.state_dict(), model.config == config
    if not complete:
        if not part:
            raise ModelError(
                f"{name} has another model configuration: choose model= to fit it, "
                "or initial_part=true to take from it what fits"
            )
        weights = _what_fits(weights, VQVAE(config).state_dict())
        weights.pop("quantizer.codebook", None)
    discriminators = critics and _read_discriminators(folder, critics)
    return Initial(weights, complete, discriminators, tuple(card.get("speakers", ())))


def save_discriminators(folder: Path, config: dict, weights: dict[str, Tensor]) -> None:
    """Write CRITICS: float16 weights, and the discriminators' configuration in the metadata."""
    halves = {name: value.half().contiguous() for name, value in weights.items()}
    data = safetensors.torch.save(halves, {"config": json.dumps(config)})
    with atomic_write(folder / CRITICS) as stream:
        stream.write(data)


def _read_discriminators(folder: Path, config: DiscriminatorConfig) -> dict[str, Tensor] | None:
    if not (folder / CRITICS).is_file():
        return None
    try:
        with safetensors.safe_open(folder / CRITICS, "pt") as file:
            made_with = json.loads((file.metadata() or {}).get("config", "{}"))
            if from_dict(DiscriminatorConfig, made_with) != config:
                return None
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelError(f"{CRITICS} is damaged: {error}") from error


def _what_fits(weights: dict[str, Tensor], wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name: value
        for name, value in weights.items()
        if name in wanted and wanted[name].shape == value.shape
    }
