"""A model in a directory: model.safetensors (weights) and card.json (what is known about them)."""

import hashlib
import json
import os
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from vqaudio.errors import ModelError
from vqaudio.files import atomic_write
from vqaudio.models.vqvae import VQVAE, VQVAEConfig

WEIGHTS, CARD = "model.safetensors", "card.json"


def read(directory: str | os.PathLike) -> tuple[VQVAE, dict]:
    """The model and its card.

    Raises ModelError when a file is missing or damaged, or the weights are not those that the card
    describes.
    """
    try:
        card = json.loads(Path(directory, CARD).read_text(encoding="utf-8"))
        weights = Path(directory, WEIGHTS).read_bytes()
    except OSError as error:
        raise ModelError(f"no model here: {error.filename}: {error.strerror}") from error
    except ValueError as error:
        raise ModelError(f"{CARD} is not JSON") from error
    if not isinstance(card, dict) or not isinstance(card.get("config"), dict):
        raise ModelError(f"{CARD} holds no model configuration")
    digest = hashlib.sha256(weights).hexdigest()
    if card.get("sha256", digest) != digest:
        raise ModelError(f"{WEIGHTS} is damaged: its SHA-256 is not the one on the card")
    model = _build(card["config"], weights)
    if card.get("fingerprint", made := fingerprint(model).hex()) != made:
        raise ModelError(f"{CARD} belongs to another model: its fingerprint is not {made}")
    return model, card


def write(directory: str | os.PathLike, model: VQVAE, card: dict) -> None:
    """Save `model` and `card`, to which config, sha256 and fingerprint are added.

    Weights are rounded to float16 where its range allows, so what `read` returns is a rounded
    model, and the fingerprint on the card is its own.
    """
    tensors = {name: _shrink(value) for name, value in model.state_dict().items()}
    weights = safetensors.torch.save(tensors)
    card = {
        **card,
        "config": model.config.to_dict(),
        "sha256": hashlib.sha256(weights).hexdigest(),
        "fingerprint": _fingerprint(model.config, tensors).hex(),
    }
    text = json.dumps(card, indent=2, ensure_ascii=False) + "\n"
    Path(directory).mkdir(parents=True, exist_ok=True)
    for name, data in ((WEIGHTS, weights), (CARD, text.encode())):
        with atomic_write(Path(directory, name)) as stream:
            stream.write(data)


def fingerprint(model: VQVAE) -> bytes:
    """First 8 bytes of SHA-256 over the configuration and every weight as float32."""
    return _fingerprint(model.config, model.state_dict())


def _fingerprint(config: VQVAEConfig, tensors: dict[str, Tensor]) -> bytes:
    sha = hashlib.sha256(json.dumps(config.to_dict(), sort_keys=True).encode())
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


def _build(config: dict, weights: bytes) -> VQVAE:
    try:
        model = VQVAE(VQVAEConfig.from_dict(config))
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
    model.load_state_dict(tensors)
    return model


def _shapes(tensors: dict[str, Tensor]) -> dict[str, list[int]]:
    return {name: [*tensor.shape] for name, tensor in tensors.items()}
