"""A model in a directory: model.safetensors (weights) and card.json (what is known about them)."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor, nn

from vqaudio.errors import ModelError
from vqaudio.files import atomic_write
from vqaudio.models.vqvae import VQVAE, VQVAEConfig

WEIGHTS, CARD = "model.safetensors", "card.json"


def vqvae(config: dict[str, Any]) -> VQVAE:
    """The model of a codec, of a card's configuration. Raises ValueError for what is none."""
    if "network" in config or "kind" in config:
        raise ValueError("this is a prior, and a codec is wanted")
    return VQVAE(VQVAEConfig.from_dict(config))


def read(
    directory: str | os.PathLike, build: Callable[[dict[str, Any]], nn.Module] = vqvae
) -> tuple[nn.Module, dict[str, Any]]:
    """The model and its card.

    build: makes the model that the card's configuration describes, and raises ValueError or
    TypeError, in one line, where it cannot. Raises ModelError when a file is missing or damaged, or
    the weights are not those that the card describes.
    """
    card = read_card(directory)
    try:
        weights = Path(directory, WEIGHTS).read_bytes()
    except OSError as error:
        raise _missing(error) from error
    digest = hashlib.sha256(weights).hexdigest()
    if card.get("sha256", digest) != digest:
        raise ModelError(f"{WEIGHTS} is damaged: its SHA-256 is not the one on the card")
    model = _build(build, card["config"], weights)
    if card.get("fingerprint", made := fingerprint(model).hex()) != made:
        raise ModelError(f"{CARD} belongs to another model: its fingerprint is not {made}")
    return model, card


def read_card(directory: str | os.PathLike) -> dict[str, Any]:
    """The card alone: with "codec", that of a prior. Raises ModelError when there is none."""
    try:
        card = json.loads(Path(directory, CARD).read_text(encoding="utf-8"))
    except OSError as error:
        raise _missing(error) from error
    except ValueError as error:
        raise ModelError(f"{CARD} is not JSON") from error
    if not isinstance(card, dict) or not isinstance(card.get("config"), dict):
        raise ModelError(f"{CARD} holds no model configuration")
    return card


def write(directory: str | os.PathLike, model: nn.Module, card: dict) -> None:
    """Save `model` and `card`, to which config, sha256 and fingerprint are added.

    model: with a `config` that has a `to_dict`. Floating-point weights are rounded to float16 where
    its range allows, so what `read` returns is a rounded model, and the fingerprint on the card is
    its own.
    """
    tensors = {name: _shrink(value) for name, value in model.state_dict().items()}
    weights = safetensors.torch.save(tensors)
    card = {
        **card,
        "config": model.config.to_dict(),
        "sha256": hashlib.sha256(weights).hexdigest(),
        "fingerprint": _fingerprint(model.config.to_dict(), tensors).hex(),
    }
    text = json.dumps(card, indent=2, ensure_ascii=False) + "\n"
    Path(directory).mkdir(parents=True, exist_ok=True)
    for name, data in ((WEIGHTS, weights), (CARD, text.encode())):
        with atomic_write(Path(directory, name)) as stream:
            stream.write(data)


def fingerprint(model: nn.Module) -> bytes:
    """First 8 bytes of SHA-256 over the configuration and every weight, floating point as float32."""
    return _fingerprint(model.config.to_dict(), model.state_dict())


def _missing(error: OSError) -> ModelError:
    return ModelError(f"no model here: {error.filename}: {error.strerror}")


def _fingerprint(config: dict[str, Any], tensors: dict[str, Tensor]) -> bytes:
    sha = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        values = tensor.float() if tensor.is_floating_point() else tensor
        sha.update(f"{name} {[*tensor.shape]}".encode())
        sha.update(values.cpu().numpy().tobytes())
    return sha.digest()[:8]


def _shrink(tensor: Tensor) -> Tensor:
    tensor = tensor.cpu().contiguous()
    if tensor.is_floating_point() and (half := tensor.half()).isfinite().all():
        return half
    return tensor


def _build(build: Callable[[dict], nn.Module], config: dict, weights: bytes) -> nn.Module:
    try:
        model = build(config)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{CARD}: {error}") from error
    try:
        tensors = safetensors.torch.load(weights)
    except SafetensorError as error:
        raise ModelError(f"{WEIGHTS} is damaged: {error}") from error
    wanted = _shapes(model.state_dict())
    found = _shapes(tensors)
    for name in sorted(wanted.keys() | found.keys()):
        have, want = found.get(name, "missing"), wanted.get(name, "nothing of that name")
        if have != want:
            raise ModelError(f"{WEIGHTS}: {name} is {have}, the configuration asks for {want}")
    try:
        model.load_state_dict(tensors)
    except ValueError as error:  # weights that a model of this kind cannot work with
        raise ModelError(f"{WEIGHTS}: {error}") from error
    return model


def _shapes(tensors: dict[str, Tensor]) -> dict[str, str]:
    """Of integers also the type: any floating point becomes the one that the model has."""
    return {
        name: str([*t.shape]) + ("" if t.is_floating_point() else f" of {t.dtype}")
        for name, t in tensors.items()
    }
