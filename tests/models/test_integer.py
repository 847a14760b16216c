"""The integer model predicts the same to the bit, however it is computed."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.small_prior import FINGERPRINT, NETWORKS, K, small_integer_prior, some_codes
from vqaudio import modelfiles
from vqaudio.errors import ModelError
from vqaudio.models.code_model import CodeModel, CodeModelConfig
from vqaudio.models.code_models import code_model
from vqaudio.models.integer import IntegerCodeModel
from vqaudio.models.integer_arithmetic import (
    LIMIT,
    SIGMOID_STEPS,
    SIGMOID_UNITS,
    TABLE,
    TANH_STEPS,
)
from vqaudio.models.wavenet import WaveNetConfig

LENGTH = 60


@pytest.fixture
def prior():
    return small_integer_prior()


def steps(prior, indices):
    state, previous, levels = prior.start(len(indices)), None, []
    for n in range(indices.shape[1]):
        predicted, state = prior.step_levels(previous, state)
        levels.append(predicted)
        previous = indices[:, n]
    return torch.stack(levels, dim=1)


def halved(x, shift):
    """x / 2 ** shift, rounded half to even, of int64."""
    floor = x >> shift
    rest, half = x - (floor << shift), (1 << shift) >> 1
    up = (rest > half) | ((rest == half) & (shift > 0) & (floor % 2 == 1))
    return floor + up


def by_integers(prior, indices):
    """The description of the module in int64, for one row: nothing of floating point in it."""
    w = {name: value.numpy().astype(np.int64) for name, value in prior.state_dict().items()}
    network = prior.config.network
    middles = np.arange(TABLE) + 0.5 - TABLE / 2
    tanh = np.round(LIMIT * np.tanh(middles / TANH_STEPS)).astype(np.int64)
    sigmoid = np.round(SIGMOID_UNITS / (1 + np.exp(-middles / SIGMOID_STEPS))).astype(np.int64)
    fine = 16  # fractional bits of the residual path here: enough for every shift

    def product(name, x):
        y = x @ w[f"{name}.weight"].T
        return y + w.get(f"{name}.bias", 0), w[f"{name}.shift"]

    def activation(name, x):
        y, shift = product(name, x)
        return np.clip(halved(np.maximum(y, 0), shift), 0, LIMIT)

    previous = [prior.codebook_size, *indices[:-1].tolist()]
    x = w["embedding.weight"].T[previous] << (fine - w["embedding.shift"])
    outputs = []
    for layer, dilation in enumerate(network.dilations * network.cycles):
        q = halved(np.clip(x, -LIMIT << fine, LIMIT << fine), np.int64(fine))
        memory = (network.kernel - 1) * dilation
        past = np.concatenate([np.zeros((memory, network.width), np.int64), q])
        taps = [past[i : i + len(q)] for i in range(0, memory + 1, dilation)]
        a, shift = product(f"taps.{layer}", np.concatenate(taps, axis=1))
        entries = a >> shift
        signal = tanh[np.clip(entries[:, : network.width], 0, TABLE - 1)]
        gate = sigmoid[np.clip(entries[:, network.width :] - TABLE, 0, TABLE - 1)]
        outputs.append(halved(signal * gate, np.int64(7)))
        if f"residual.{layer}.weight" in w:
            r, shift = product(f"residual.{layer}", outputs[-1])
            x = np.clip(x + (r << (fine - shift)), -LIMIT << fine, LIMIT << fine)
    hidden = activation("mix", activation("skip", np.concatenate(outputs, axis=1)))
    return halved(*product("head", hidden))


def test_it_is_what_integers_compute(prior):
    indices = some_codes(4, LENGTH)
    levels = prior.levels(indices)
    assert levels.dtype == torch.int32
    for row, ours in zip(indices, levels, strict=True):
        assert (by_integers(prior, row) == ours.numpy()).all()
    # The model is one in which something happens.
    assert levels.float().std(dim=(0, 1)).min() > 5


def test_every_way_gives_the_same_bits(prior):
    indices = some_codes(8, LENGTH)
    levels = prior.levels(indices)
    assert torch.equal(steps(prior, indices), levels)
    for row in range(len(indices)):
        alone = indices[row : row + 1]
        assert torch.equal(prior.levels(alone), levels[row : row + 1])
        assert torch.equal(steps(prior, alone), levels[row : row + 1])
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(prior.levels(indices), levels)
        assert torch.equal(steps(prior, indices[:2]), levels[:2])
    threads = torch.get_num_threads()
    try:
        for number in (1, 2, 3):
            torch.set_num_threads(number)
            assert torch.equal(prior.levels(indices), levels)
            assert torch.equal(steps(prior, indices[:3]), levels[:3])
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
def test_lower_precision_of_products_changes_nothing(prior, precision):
    indices = some_codes(8, LENGTH)
    levels = prior.levels(indices)
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision(precision)
        assert torch.equal(prior.levels(indices), levels)
        assert torch.equal(steps(prior, indices), levels)
    finally:
        torch.set_float32_matmul_precision(before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
def test_a_gpu_gives_the_same_bits(precision):
    prior = small_integer_prior(512, WaveNetConfig(192, 256, 4, (1, 4, 16, 64), 2))
    indices = torch.randint(512, (8, 300), generator=torch.Generator().manual_seed(1))
    levels = prior.levels(indices)
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision(precision)
        on_gpu = prior.cuda()
        assert torch.equal(on_gpu.levels(indices.cuda()).cpu(), levels)
        assert torch.equal(steps(on_gpu, indices[:, :40].cuda()).cpu(), levels[:, :40])
        assert torch.equal(steps(on_gpu, indices[:1, :40].cuda()).cpu(), levels[:1, :40])
    finally:
        torch.set_float32_matmul_precision(before)


def test_logits_and_bits_are_of_the_levels(prior):
    indices = some_codes(2, LENGTH)
    levels = prior.levels(indices)
    expected = levels * (np.log(2) / 32)
    torch.testing.assert_close(prior(indices).double(), expected.double(), rtol=1e-6, atol=1e-6)
    logits, _ = prior.step(None, prior.start(2))
    assert torch.equal(logits, prior(indices)[:, 0])
    indices[1, 30:] = -1
    bits = prior.bits(indices)
    assert (bits[1, 30:] == 0).all()
    weights = 2 ** (levels[0].double() / 32)
    probability = weights.gather(-1, indices[0, :, None])[:, 0] / weights.sum(-1)
    torch.testing.assert_close(bits[0].double(), -probability.log2(), rtol=1e-4, atol=1e-4)


def test_it_is_causal_and_sees_as_far_as_it_says():
    prior = small_integer_prior(network=replace(NETWORKS[0], kernel=3))
    indices = some_codes(999, LENGTH)
    other = indices.clone()
    other[:, 20] = (other[:, 20] + 1) % K
    change = (prior.levels(indices) != prior.levels(other)).any(dim=0).any(dim=1)
    assert prior.receptive_field == 17
    assert not change[:21].any()
    assert change[21 : 21 + 17].all()
    assert not change[21 + 17 :].any()


def test_misuse_is_refused(prior):
    state = prior.start(1)
    with pytest.raises(ValueError, match="but the first"):
        prior.step(torch.tensor([0]), state)
    _, state = prior.step(None, state)
    with pytest.raises(ValueError, match="but the first"):
        prior.step(None, state)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("taps.1.bias", 2**24),
        ("taps.1.bias", -(2**24)),
        ("head.shift", 25),
        ("mix.shift", -7),
        # One sum is exact, but not in the units of the path that it is added to.
        ("residual.0.shift", -6),
        ("embedding.shift", 20),
    ],
)
def test_weights_that_would_not_be_exact_are_refused(prior, name, value):
    state = prior.state_dict()
    state[name] = torch.full_like(state[name], value)
    with pytest.raises(ModelError, match="not be exact"):
        IntegerCodeModel(prior.config).load_state_dict(state)


def test_rows_that_are_too_long_are_refused():
    prior = small_integer_prior(network=WaveNetConfig(300, 4, 4, (1,), 1))
    state = prior.state_dict()
    state["taps.0.weight"] = torch.full_like(state["taps.0.weight"], LIMIT)
    with pytest.raises(ModelError, match="not be exact"):
        IntegerCodeModel(prior.config).load_state_dict(state)


def test_the_gates_tables_are_the_same_on_every_machine():
    """No entry is so near to a half that a last bit of the logarithm could change its rounding."""
    middles = np.arange(TABLE) + 0.5 - TABLE / 2
    for exact in (
        LIMIT * np.tanh(middles / TANH_STEPS),
        SIGMOID_UNITS / (1 + np.exp(-middles / SIGMOID_STEPS)),
    ):
        assert np.abs(exact - np.floor(exact) - 0.5).min() > 1e-6


def test_either_kind_from_a_configuration(prior):
    config = prior.config
    values = config.to_dict()
    assert values["kind"] == "integer"
    again = code_model(values)
    assert isinstance(again, IntegerCodeModel)
    assert again.config == config
    again.load_state_dict(prior.state_dict())
    assert torch.equal(again.levels(some_codes(1, LENGTH)), prior.levels(some_codes(1, LENGTH)))
    other = CodeModelConfig(K, 0, NETWORKS[1])
    built = code_model(other.to_dict())
    assert isinstance(built, CodeModel)
    assert built.config == other


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "kind"),
        ({"kind": "float", "network": {"kind": "wavenet"}}, "kind"),
        ({"kind": "integer"}, "must be wavenet, not None"),
        ({"kind": "integer", "network": {"kind": "transformer"}}, "must be wavenet"),
        ({"kind": "integer", "network": {"kind": "wavenet", "heads": 2}}, "heads"),
        ({"kind": "integer", "network": {"kind": "wavenet"}, "codebook_size": 1}, "codebook_size"),
        ({"kind": "integer", "network": {"kind": "wavenet"}, "condition_width": 1}, "condition"),
        ({"kind": "integer", "network": 3}, "network"),
    ],
)
def test_mistakes_in_a_configuration_are_one_line(values, message):
    with pytest.raises(ValueError, match=message) as caught:
        code_model(values)
    assert "\n" not in str(caught.value)


def test_in_a_directory(prior, tmp_path):
    modelfiles.write(tmp_path, prior, {"codec": FINGERPRINT.hex()})
    read, card = modelfiles.read(tmp_path, code_model)
    assert read.config == prior.config
    assert card["codec"] == FINGERPRINT.hex()
    assert {t.dtype for t in read.state_dict().values()} == {torch.int8, torch.int32}
    assert torch.equal(read.levels(some_codes(2, LENGTH)), prior.levels(some_codes(2, LENGTH)))
