"""The device that models are put on."""

import torch

from vqaudio.errors import ModelError


def find_device(name: str | torch.device) -> torch.device:
    """The device of "cpu", "cuda", "cuda:1"..., or "auto": a GPU if there is one.

    Raises ModelError when there is no such device.
    """
    cuda = torch.cuda.is_available()
    if name == "auto":
        name = "cuda" if cuda else "cpu"
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise ModelError(f"no device {str(name)!r}: there are cpu, cuda and auto")
    if device.type == "cuda" and not cuda:
        raise ModelError("no CUDA device was found")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ModelError(f"no device {str(name)!r}: there are {torch.cuda.device_count()} of cuda")
    return device
