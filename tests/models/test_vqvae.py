import json

import pytest
import torch
import yaml

from vqaudio.config import config_directory
from vqaudio.models.decoder import DecoderConfig
from vqaudio.models.encoder import EncoderConfig
from vqaudio.models.quantizer import QuantizerConfig
from vqaudio.models.vqvae import VQVAE, VQVAEConfig

SMALL = VQVAEConfig(
    encoder=EncoderConfig(widths=(4, 4, 6, 6, 8, 8), blocks=2),
    quantizer=QuantizerConfig(32, 4),
    decoder=DecoderConfig(width=8, blocks=2, window=256),
)


def shipped(name: str) -> VQVAEConfig:
    return VQVAEConfig.from_dict(
        yaml.safe_load((config_directory() / f"model/{name}.yaml").read_text())
    )


@pytest.fixture
def small():
    torch.manual_seed(0)
    model = VQVAE(SMALL).eval()
    torch.nn.init.normal_(model.quantizer.codebook)
    # Blocks start near the identity; here their reach is tested, so they must do something.
    for name, parameter in model.named_parameters():
        if name.endswith("down.weight"):
            torch.nn.init.normal_(parameter)
    return model


@pytest.mark.parametrize(("name", "hop"), [("speech64", 64), ("speech128", 128)])
def test_shipped_configurations_are_the_papers_setting(name, hop):
    model = VQVAE(shipped(name))
    assert (model.sample_rate, model.hop, model.codebook_size) == (16000, hop, 512)
    assert all(c.stride == (2,) and c.kernel_size == (4,) for c in model.encoder.strided)
    assert 2 ** len(model.encoder.strided) == hop
    assert sum(p.numel() for p in model.parameters()) <= 8_000_000


def test_shapes(small, speech):
    wave = speech[0][: 100 * small.frame].repeat(2, 1)
    indices = small.encode(wave)
    assert indices.shape == (2, 100 * small.frame // small.hop)
    assert indices.dtype == torch.int64
    assert 0 <= indices.min() <= indices.max() < 32
    assert small.decode(indices).shape == wave.shape
    result = small(wave)
    assert result.wave.shape == wave.shape
    assert result.z.shape == (*indices.shape, 4)


def test_encoder_context_bounds_what_a_code_sees(small, speech):
    """Beyond the stated context nothing changes a code's vector; just inside it something does."""
    wave = speech[0][: 64 * small.frame].unsqueeze(0)
    code = 64
    start, stop = code * small.hop, (code + 1) * small.hop
    z = small.encoder(wave)[0, code]

    def changed_by(samples):
        other = wave.clone()
        other[0, samples] += 1
        return (small.encoder(other)[0, code] - z).abs().max().item()

    context = small.encoder.context
    assert small.encoder_context >= context
    assert changed_by(slice(0, start - context)) == 0
    assert changed_by(slice(stop + context, None)) == 0
    # The strided convolutions look further ahead than back, so the bound is tight to the right.
    blocks = context - 2 * (small.hop - 1)
    assert changed_by(start - blocks - (small.hop - 1)) > 0
    assert changed_by(start + small.hop - 1 + context - (small.hop - 1)) > 0


def test_decoder_context_bounds_what_a_sample_hears(small):
    torch.manual_seed(1)
    indices = torch.randint(32, (1, 200))
    wave = small.decode(indices)
    first, codes_per_frame = 100, small.frame // small.hop
    frame = slice(first * small.hop, (first + codes_per_frame) * small.hop)
    for distance, reaches in [(small.decoder_context, False), (small.decoder_context - 4, True)]:
        changed = indices.clone()
        changed[0, : first - distance] = (indices[0, : first - distance] + 1) % 32
        beyond = first + codes_per_frame + distance
        changed[0, beyond:] = (indices[0, beyond:] + 1) % 32
        difference = (small.decode(changed)[0, frame] - wave[0, frame]).abs().max()
        assert (difference > 0) == reaches


def test_unquantised_start_leaves_the_codebook_out(small, speech):
    wave = speech[0][: 20 * small.frame].unsqueeze(0)
    result = small(wave, quantize=False)
    assert result.quantized is None
    result.wave.square().sum().backward()
    assert small.quantizer.codebook.grad is None
    assert small.encoder.strided[0].weight.grad.abs().sum() > 0


def test_config_survives_json():
    assert VQVAEConfig.from_dict(json.loads(json.dumps(SMALL.to_dict()))) == SMALL


def test_unknown_key_is_named():
    with pytest.raises(ValueError, match="widht"):
        VQVAEConfig.from_dict({"widht": 3})


@pytest.mark.parametrize(
    ("decoder", "message"),
    [
        (DecoderConfig(frame_hop=96), "multiple of the hop"),
        (DecoderConfig(frame_hop=512, window=2048), "more than 4 hops"),
        (DecoderConfig(window=128), "under two frames"),
    ],
)
def test_frames_that_cannot_work_are_refused(decoder, message):
    with pytest.raises(ValueError, match=message):
        VQVAE(VQVAEConfig(decoder=decoder))
