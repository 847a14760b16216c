"""A small model with random weights, and what "the same codes" means."""

from dataclasses import replace

import torch
from torch import Tensor

from vqaudio.models.decoder import DecoderConfig
from vqaudio.models.encoder import EncoderConfig
from vqaudio.models.quantizer import QuantizerConfig
from vqaudio.models.vqvae import VQVAE, VQVAEConfig

SMALL = VQVAEConfig(
    encoder=EncoderConfig(widths=(4, 6, 8, 12, 16, 16), blocks=2, expansion=2),
    quantizer=QuantizerConfig(dim=8),
    decoder=DecoderConfig(width=24, blocks=2, expansion=2),
)


ONE_CODE_A_FRAME = replace(SMALL, encoder=replace(SMALL.encoder, widths=(4, 4, 6, 8, 12, 16, 16)))


@torch.no_grad()
def small_model(seed: int = 0, config: VQVAEConfig = SMALL) -> VQVAE:
    """Weights large enough for every layer to matter, a codebook of vectors the encoder makes."""
    torch.manual_seed(seed)
    model = VQVAE(config).eval()
    for name, parameter in model.named_parameters():
        if name.endswith("down.weight"):
            parameter.mul_(20)
    model.encoder.strided[0].weight.mul_(20)
    model.decoder.head.project.weight.mul_(2)
    swell = torch.linspace(-6, 0, 512 * 64 * 4).exp()
    vectors = model.encoder((torch.randn(512 * 64 * 4) * swell)[None])[0]
    codes = vectors[torch.randperm(len(vectors))[:512]]
    # Not on the vectors themselves: at distances near zero float32 makes ties of anything.
    model.quantizer.codebook.copy_(codes + 0.6 * torch.randn_like(codes) * codes.std(0))
    return model


@torch.inference_mode()
def assert_same_codes(model: VQVAE, wave: Tensor, ours: Tensor, theirs: Tensor) -> None:
    """Equal, but for near ties in at most one code, or 0.1 %.

    A tie: squared distances on the unit sphere that differ by 1e-4 of them, or by what float32 makes
    of numbers near 1.

    wave: [B, T], what was coded, at the model's rate and level.
    """
    assert ours.shape == theirs.shape
    differ = ours != theirs
    assert differ.sum() <= max(1, 1e-3 * differ.numel())
    if not differ.any():
        return
    context = model.encoder_context
    end = -wave.shape[1] % model.frame
    vectors = model.encoder(torch.nn.functional.pad(wave, (context, context + end)))
    vectors = vectors[:, context // model.hop :][:, : ours.shape[1]]
    z = model.quantizer.on_sphere(vectors)[differ]
    gaps = [
        (z - model.quantizer.lookup(codes[differ])).square().sum(-1) for codes in (ours, theirs)
    ]
    assert ((gaps[0] - gaps[1]).abs() <= 1e-4 * torch.maximum(*gaps) + 2e-6).all()
