"""Whole recordings, batches and streams through one codec; models on disk."""

import json
import subprocess
import sys

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import vqaudio
from tests.small import ONE_CODE_A_FRAME, assert_same_codes, small_model
from vqaudio import Codec, Codes, load_codec
from vqaudio.audio import Resampler
from vqaudio.codes import count_codes
from vqaudio.errors import AudioError, ModelError
from vqaudio.level import gain_for

CODEC = Codec(small_model(), {"name": "small"})
MODEL = CODEC.model
CODECS = {2: CODEC, 1: Codec(small_model(config=ONE_CODE_A_FRAME))}
"""By the number of codes in a frame."""


def at_rate(wave: torch.Tensor, rate: int) -> torch.Tensor:
    resampler = Resampler(16000, rate, len(wave))
    return torch.cat([resampler.push(wave), resampler.flush()], dim=1)


def to_model(wave: torch.Tensor, rate: int, level: float) -> torch.Tensor:
    """[1, T]: what the model is given of `wave`."""
    resampler = Resampler(rate, 16000, 1)
    return torch.cat([resampler.push(wave * gain_for(level)), resampler.flush()], dim=1)


def in_chunks(stream, whole: torch.Tensor, size: int) -> torch.Tensor:
    return torch.cat([*map(stream.push, whole.split(size, dim=1)), stream.flush()], dim=1)


@pytest.fixture(scope="module")
def wave(speech) -> torch.Tensor:
    return speech[0][None, 8000:40011]


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
def test_as_many_samples_come_back(rate, channels, wave):
    wave = at_rate(wave, rate)[:, :-7].expand(channels, -1)
    codes = CODEC.encode(wave, rate)
    assert (codes.sample_rate, len(codes)) == (rate, channels)
    assert codes.lengths == (wave.shape[1],) * channels
    assert codes.indices.shape[1] == count_codes(wave.shape[1], rate, 16000, 128, 64)
    decoded = CODEC.decode(codes)
    assert decoded.shape == wave.shape
    assert decoded.dtype == torch.float32
    assert decoded.std() > 0.1 * wave.std()
    assert torch.equal(decoded[0], decoded[-1])


@settings(max_examples=40, deadline=None)
@given(
    length=st.integers(1, 700),
    rate=st.sampled_from([1000, 7999, 8000, 11025, 16000, 44100, 96000, 768000]),
    scale=st.sampled_from([0.0, 1e-6, 0.1, 1.0, 1e4]),
    seed=st.integers(0, 99),
)
def test_any_short_wave_comes_back_as_long(length, rate, scale, seed):
    wave = scale * np.random.default_rng(seed).standard_normal(length)
    decoded = CODEC.decode(CODEC.encode(wave, rate))
    assert decoded.shape == (1, length)
    assert decoded.isfinite().all()


@pytest.mark.parametrize("rate", [44100, 48000])
def test_codes_do_not_hang_on_the_rate_of_the_file(rate, wave):
    """The same speech at the same time: a shift by one sample changes a quarter of these codes."""
    same = CODEC.encode(at_rate(wave, rate), rate).indices == CODEC.encode(wave, 16000).indices
    assert same.float().mean() > 0.97


def test_level_is_taken_out_and_put_back(wave):
    loud, quiet = CODEC.encode(wave, 16000), CODEC.encode(wave * 10 ** (-23 / 20), 16000)
    assert loud.levels[0] - quiet.levels[0] == 23
    assert_same_codes(MODEL, to_model(wave, 16000, loud.levels[0]), quiet.indices, loud.indices)
    ratio = CODEC.decode(quiet).std() / CODEC.decode(loud).std()
    assert ratio == pytest.approx(10 ** (-23 / 20), rel=1e-3)
    coded_at = CODEC.decode(loud).std() * 10 ** ((-20 - loud.levels[0]) / 20)
    alone = MODEL.decode(loud.indices).std()
    assert coded_at == pytest.approx(float(alone), rel=1e-2)


@pytest.mark.parametrize(("rate", "frame_codes"), [(16000, 2), (22050, 2), (16000, 1), (22050, 1)])
def test_a_batch_is_as_its_rows(rate, frame_codes, wave):
    codec = CODECS[frame_codes]
    full = at_rate(wave, rate)[0]
    lengths = (len(full), 12345, 1, 5000, *range(6174, 6000, -17))
    # Rows that end in a step, which resampling smears; 6174 samples are a whole frame at 22050 Hz.
    steps = [torch.full_like(full, 0.5)] * (len(lengths) - 4)
    batch = torch.stack([full, full.flip(0), full * 0.01, full, *steps])
    for row, length in enumerate(lengths):
        batch[row, length:] = np.nan  # what is beyond a row's end is nobody's business
    codes = codec.encode(batch, rate, lengths)
    assert codes.frame_codes == frame_codes
    audio = codec.decode(codes)
    assert audio.shape == batch.shape
    for row, length in enumerate(lengths):
        alone = codec.encode(batch[row, :length], rate)
        assert codes[row].levels == alone.levels
        given = to_model(batch[row : row + 1, :length], rate, alone.levels[0])
        assert_same_codes(codec.model, given, codes[row].indices, alone.indices)
        assert not codes.indices[row, codes.num_codes(row) :].any()
        decoded = codec.decode(codes[row])[0]
        torch.testing.assert_close(decoded, audio[row, :length], rtol=0, atol=1e-4)
        assert not audio[row, length:].any()


@pytest.mark.parametrize("rate", [16000, 44100])
@pytest.mark.parametrize("size", [160, 5000])
def test_streamed_is_as_offline(rate, size, wave):
    wave = at_rate(wave, rate)
    codes = CODEC.encode(wave, rate)
    live = in_chunks(CODEC.encode_stream(rate, codes.levels, seconds=0.05), wave, size)
    assert_same_codes(MODEL, to_model(wave, rate, codes.levels[0]), live, codes.indices)
    same = in_chunks(CODEC.encode_stream(rate, codes.levels), wave, size)
    assert torch.equal(same, codes.indices)

    audio = CODEC.decode(codes)
    terms = rate, codes.levels, codes.lengths
    decoded = in_chunks(CODEC.decode_stream(*terms, seconds=0.05), codes.indices, 7)
    torch.testing.assert_close(decoded, audio, rtol=0, atol=1e-4)
    open_end = in_chunks(CODEC.decode_stream(*terms[:2], seconds=0.05), codes.indices, 7)
    assert 0 <= open_end.shape[1] - audio.shape[1] <= 128 * rate / 16000
    torch.testing.assert_close(open_end[:, : audio.shape[1]], audio, rtol=0, atol=1e-4)


def test_same_input_same_bytes(wave, tmp_path):
    for name in ("a.vqc", "b.vqc"):
        Codec(small_model()).encode(wave, 16000).save(tmp_path / name)
    assert (tmp_path / "a.vqc").read_bytes() == (tmp_path / "b.vqc").read_bytes()
    codes = Codes.load(tmp_path / "a.vqc")
    assert torch.equal(CODEC.decode(codes), CODEC.decode(codes))


def test_silence_stays_silence():
    codes = CODEC.encode(torch.zeros(2, 3000), 16000)
    assert codes.levels == (-64.0, -64.0)
    assert CODEC.decode(codes).abs().max() < 0.01


@pytest.mark.parametrize(
    ("wave", "rate", "lengths", "message"),
    [
        (torch.zeros(0), 16000, None, "no samples"),
        (torch.zeros(2, 0), 16000, None, "no samples"),
        (torch.zeros(9, dtype=torch.int16), 16000, None, "floating-point"),
        (torch.zeros(1, 1, 9), 16000, None, "floating-point"),
        (torch.tensor([0.0, torch.nan]), 16000, None, "not a number"),
        (torch.tensor([0.0, torch.inf]), 16000, None, "infinite"),
        (torch.zeros(9), 0, None, "sample rate 0 Hz"),
        (torch.zeros(9), 10_000_000, None, "sample rate 10000000 Hz"),
        (torch.zeros(2, 9), 16000, [9], "lengths"),
        (torch.zeros(2, 9), 16000, [9, 10], "lengths"),
        (torch.zeros(2, 9), 16000, [9, 0], "lengths"),
        (torch.zeros(2, 9), 16000, [9, 8.5], "length must be a whole number"),
        (torch.zeros(9), 16000.5, None, "whole number"),
        (torch.zeros(9), float("nan"), None, "whole number"),
        (torch.zeros(9), float("inf"), None, "whole number"),
        (torch.zeros(9), None, None, "whole number"),
        (torch.zeros(9), "16000", None, "whole number"),
        (torch.zeros(9), torch.zeros(2), None, "whole number"),
    ],
)
def test_what_cannot_be_coded(wave, rate, lengths, message):
    with pytest.raises(AudioError, match=message):
        CODEC.encode(wave, rate, lengths)


@pytest.mark.parametrize("kind", [float, np.float32, np.int64, torch.tensor])
def test_a_whole_rate_of_any_type_is_taken(kind, wave, tmp_path):
    codes = CODEC.encode(wave, kind(16000), [kind(5000)])
    codes.save(tmp_path / "a.vqc")
    assert Codes.load(tmp_path / "a.vqc").equal(CODEC.encode(wave[:, :5000], 16000))
    stream = CODEC.encode_stream(kind(16000), codes.levels)
    assert torch.equal(in_chunks(stream, wave[:, :5000], 999), codes.indices)
    stream = CODEC.decode_stream(kind(16000), codes.levels, codes.lengths)
    assert torch.equal(in_chunks(stream, codes.indices, 9), CODEC.decode(codes))


def test_a_stream_refuses_what_is_no_number():
    with pytest.raises(AudioError, match="not a number"):
        CODEC.encode_stream(16000, (0.0,)).push(torch.tensor([[torch.nan]]))


def test_codes_of_another_model_are_refused(wave):
    other = Codec(small_model(seed=1), {"name": "other"})
    with pytest.raises(ModelError) as caught:
        other.decode(CODEC.encode(wave, 16000))
    assert CODEC.fingerprint.hex() in str(caught.value)
    assert f"other ({other.fingerprint.hex()})" in str(caught.value)


@pytest.fixture
def saved(tmp_path):
    CODEC.save(tmp_path / "model", card={"hours": 1.5})
    return tmp_path / "model"


def test_a_saved_model_is_the_same_every_time(saved, wave, tmp_path):
    codec = Codec.load(saved)
    assert codec.card["name"] == "small"
    assert codec.card["hours"] == 1.5
    assert codec.card["fingerprint"] == codec.fingerprint.hex()
    codec.save(tmp_path / "again")
    again = load_codec(tmp_path / "again", device="cpu")
    assert again.fingerprint == codec.fingerprint
    for file in ("model.safetensors", "card.json"):
        assert (saved / file).read_bytes() == (tmp_path / "again" / file).read_bytes()
    # Half precision is a fine enough grid for nearly all codes to stay.
    codes, rounded = CODEC.encode(wave, 16000), codec.encode(wave, 16000)
    assert (codes.indices == rounded.indices).float().mean() > 0.95


def test_weights_are_halves_where_they_fit(saved, tmp_path):
    tensors = safetensors.torch.load_file(saved / "model.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
    large = Codec(small_model())
    with torch.no_grad():
        large.model.quantizer.codebook[0, 0] = 1e6
    large.save(tmp_path)
    loaded = Codec.load(tmp_path).model.quantizer.codebook
    assert torch.equal(loaded, large.model.quantizer.codebook)


def test_the_fingerprint_knows_every_weight():
    changed = small_model()
    with torch.no_grad():
        changed.decoder.head.project.bias[3] += 1e-6
    assert Codec(changed).fingerprint != CODEC.fingerprint


def edit_card(directory, **entries):
    card = json.loads((directory / "card.json").read_text())
    (directory / "card.json").write_text(json.dumps({**card, **entries}))


def flip(directory):
    data = bytearray((directory / "model.safetensors").read_bytes())
    data[-5] ^= 1
    (directory / "model.safetensors").write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (flip, "SHA-256"),
        (lambda d: (d / "card.json").unlink(), r"card\.json: No such file"),
        (lambda d: (d / "model.safetensors").unlink(), "No such file"),
        (lambda d: (d / "card.json").write_bytes(b"{\xff"), "not JSON"),
        (lambda d: (d / "card.json").write_text("[1]"), "no model configuration"),
        (lambda d: edit_card(d, config=3), "no model configuration"),
        (lambda d: edit_card(d, config={"wings": 2}), "wings"),
        (lambda d: edit_card(d, config={}), "the configuration asks for"),
        (lambda d: edit_card(d, fingerprint="00"), "another model"),
    ],
)
def test_damaged_models(damage, message, saved):
    damage(saved)
    with pytest.raises(ModelError, match=message) as caught:
        Codec.load(saved)
    assert "\n" not in str(caught.value)


def test_weights_that_are_no_safetensors(saved):
    card = json.loads((saved / "card.json").read_text())
    del card["sha256"]
    (saved / "card.json").write_text(json.dumps(card))
    (saved / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ModelError, match="damaged"):
        Codec.load(saved)


def test_unknown_models_are_told(tmp_path):
    with pytest.raises(ModelError, match="nobody"):
        load_codec("nobody")
    with pytest.raises(ModelError, match="packaged models are"):
        load_codec(tmp_path / "missing")


def test_no_gpu_is_told(saved, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert load_codec(saved).device.type == "cpu"
    with pytest.raises(ModelError, match="CUDA"):
        load_codec(saved, device="cuda")


@pytest.mark.parametrize("device", ["mps", "tpu", "meta", "cpu:x", "nonsense", "", None, "cuda:99"])
def test_devices_that_are_not_there(device, saved, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for load in (load_codec, Codec.load):
        with pytest.raises(ModelError, match="no device") as caught:
            load(saved, device=device)
        assert "\n" not in str(caught.value)


def test_the_package_imports_at_once():
    code = "import sys, vqaudio, vqaudio.cli.encode; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    with pytest.raises(AttributeError, match="nothing"):
        vqaudio.nothing  # noqa: B018
