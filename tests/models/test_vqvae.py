import json
from dataclasses import replace

import pytest
import torch
import yaml

from vqaudio.codec import Codec
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


STRIDED = VQVAEConfig(
    encoder=EncoderConfig(widths=(4, 6, 6, 8), strides=(2, 2, 4, 5), blocks=1, kernel=3),
    quantizer=QuantizerConfig(32, 4),
    decoder=DecoderConfig(width=8, blocks=2, window=64, frame_hop=16),
)
"""80 samples a code, 5 frames a code."""


def shipped(name: str) -> VQVAEConfig:
    return VQVAEConfig.from_dict(
        yaml.safe_load((config_directory() / f"model/{name}.yaml").read_text())
    )


def lively(config: VQVAEConfig) -> VQVAE:
    torch.manual_seed(0)
    model = VQVAE(config).eval()
    torch.nn.init.normal_(model.quantizer.codebook)
    # Blocks start near the identity; here their reach is tested, so they must do something.
    for name, parameter in model.named_parameters():
        if name.endswith("down.weight"):
            torch.nn.init.normal_(parameter)
    return model


@pytest.fixture
def small():
    return lively(SMALL)


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


@pytest.mark.parametrize("config", [SMALL, STRIDED])
def test_config_survives_json(config):
    assert VQVAEConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_a_configuration_without_strides_is_written_as_before_there_were_any():
    assert "strides" not in SMALL.to_dict()["encoder"]


def test_strides_of_2_are_the_default():
    torch.manual_seed(0)
    model = VQVAE(SMALL)
    twos = replace(SMALL, encoder=replace(SMALL.encoder, strides=(2,) * 6))
    other = VQVAE(twos)
    other.load_state_dict(model.state_dict())
    wave = torch.randn(2, 10 * model.frame)
    assert torch.equal(model.encoder(wave), other.encoder(wave))


def test_phonemes640_is_the_papers_setting():
    model = VQVAE(shipped("phonemes640"))
    assert (model.hop, model.codebook_size, model.sample_rate / model.hop) == (640, 128, 25)
    assert model.frame == 640
    assert sum(p.numel() for p in model.parameters()) <= 8_000_000


def test_strides_and_several_frames_a_code():
    model = lively(STRIDED)
    assert (model.hop, model.frame, model.decoder.frames_per_code) == (80, 80, 5)
    wave = torch.randn(2, 30 * 80)
    codes = model.encode(wave)
    assert codes.shape == (2, 30)
    assert model.decode(codes).shape == wave.shape
    assert model(wave).wave.shape == wave.shape


def test_what_strided_codes_see_and_their_samples_hear():
    model = lively(STRIDED)
    hop, first, count = model.hop, 40, 80
    wave = torch.randn(1, count * hop)
    z = model.encoder(wave)[0, first]
    reach = model.encoder.context
    for start, stop, sees in [
        (0, first * hop - reach, False),
        ((first + 1) * hop + reach, count * hop, False),
        (first * hop, first * hop + 1, True),
        ((first + 1) * hop - 1, (first + 1) * hop, True),
    ]:
        other = wave.clone()
        other[0, start:stop] += 1
        assert ((model.encoder(other)[0, first] - z).abs().max() > 0) == sees
    codes = torch.randint(32, (1, count))
    samples = slice(first * hop, (first + 1) * hop)
    for distance, hears in [(model.decoder_context, False), (model.decoder_context - 1, True)]:
        other = codes.clone()
        other[0, : first - distance] = (codes[0, : first - distance] + 1) % 32
        other[0, first + 1 + distance :] = (codes[0, first + 1 + distance :] + 1) % 32
        gap = (model.decode(other)[0, samples] - model.decode(codes)[0, samples]).abs().max()
        assert (gap > 0) == hears


def test_a_strided_codec_codes_any_recording_in_any_pieces():
    codec = Codec(lively(STRIDED))
    wave = torch.randn(2, 44123) * 0.1
    codes = codec.encode(wave, 44100, (44123, 12345))
    back = codec.decode(codes)
    assert back.shape == wave.shape
    stream = codec.encode_stream(44100, codes.levels, codes.lengths, seconds=0.1)
    pieces = [stream.push(wave[:, n : n + 5000]) for n in range(0, wave.shape[1], 5000)]
    assert torch.equal(torch.cat([*pieces, stream.flush()], dim=1), codes.indices)
    stream = codec.decode_stream(44100, codes.levels, codes.lengths, seconds=0.1)
    pieces = [stream.push(codes.indices[:, n : n + 3]) for n in range(0, codes.indices.shape[1], 3)]
    torch.testing.assert_close(torch.cat([*pieces, stream.flush()], dim=1), back, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("strides", "message"), [((2, 2), "2 strides for 6 widths"), ((1,) * 6, "at least 2")]
)
def test_strides_that_cannot_work_are_refused(strides, message):
    with pytest.raises(ValueError, match=message):
        EncoderConfig(strides=strides)


def test_unknown_key_is_named():
    with pytest.raises(ValueError, match="widht"):
        VQVAEConfig.from_dict({"widht": 3})


@pytest.mark.parametrize(
    ("decoder", "message"),
    [
        (DecoderConfig(frame_hop=96), "neither a multiple nor a part of the hop"),
        (DecoderConfig(frame_hop=512, window=2048), "more than 4 hops"),
        (DecoderConfig(window=128), "under two frames"),
    ],
)
def test_frames_that_cannot_work_are_refused(decoder, message):
    with pytest.raises(ValueError, match=message):
        VQVAE(VQVAEConfig(decoder=decoder))
