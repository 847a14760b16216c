"""What learns computes what the frozen integer model computes, and is near the float model."""

from dataclasses import replace

import pytest
import torch

from tests.small_prior import NETWORKS, K, small_prior, some_codes
from vqaudio.errors import ModelError
from vqaudio.models.code_model import CodeModel, CodeModelConfig
from vqaudio.models.integer import IntegerCodeModel, IntegerCodeModelConfig
from vqaudio.models.wavenet import WaveNetConfig
from vqaudio.training.quantise import QuantisedCodeModel

NETWORK = replace(NETWORKS[0], width=32, kernel=4)
LENGTH = 80


@pytest.fixture
def prior():
    return small_prior(NETWORK)


@pytest.fixture
def quantised(prior):
    return QuantisedCodeModel.of(prior, [some_codes(8, LENGTH)])


@pytest.mark.parametrize("scale", [0.1, 1, 30])
@torch.no_grad()
def test_what_learns_is_what_is_frozen(prior, scale):
    """To the bit, and whatever the weights became after the scales were set."""
    quantised = QuantisedCodeModel.of(prior, [some_codes(8, LENGTH)])
    for parameter in quantised.parameters():
        parameter.mul_(scale)
    codes = some_codes(4, LENGTH)
    frozen = quantised.frozen()
    assert isinstance(frozen, IntegerCodeModel)
    assert torch.equal(quantised(codes), frozen(codes))
    assert torch.equal(quantised.bits(codes), frozen.bits(codes))
    assert frozen(codes).std() > 0


@torch.no_grad()
def test_quantised_is_near_the_float_model(prior, quantised):
    """Not at a clip's very start, where the integer model knows less well what lies before."""
    codes = some_codes(16, LENGTH)
    exact, rounded = prior(codes)[:, 20:], quantised(codes)[:, 20:]
    exact, rounded = (x - x.mean(-1, keepdim=True) for x in (exact, rounded))
    assert exact.std() > 0.3
    assert (exact - rounded).std() < 0.15 * exact.std()


def test_every_weight_that_matters_learns(quantised):
    codes = some_codes(8, LENGTH)
    optimizer = torch.optim.Adam(quantised.parameters(), 3e-3)
    losses = []
    for _ in range(30):
        loss = quantised.bits(codes).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.3
    width = NETWORK.width
    for name, parameter in quantised.named_parameters():
        if name.endswith("out.bias"):  # what it did to the residual path is in the taps' biases
            assert (parameter.grad[:width] == 0).all()
            assert (parameter[:width] == 0).all()
        else:
            assert (parameter.grad != 0).float().mean() > 0.3, name
    quantised.eval()
    with torch.no_grad():
        assert torch.equal(quantised(codes), quantised.frozen()(codes))


def test_slopes_are_those_of_the_float_model(prior, quantised):
    """Of what is approximated: in a model whose rounding is fine enough they point the same way."""
    codes = some_codes(32, LENGTH)
    for model in (prior, quantised):
        model.bits(codes)[:, 20:].mean().backward()
    ours, theirs = quantised.model.head.weight.grad, prior.head.weight.grad
    assert torch.cosine_similarity(ours.flatten(), theirs.flatten(), dim=0) > 0.95
    ours, theirs = (m.network.layers[0].taps.weight.grad for m in (quantised.model, prior))
    assert torch.cosine_similarity(ours.flatten(), theirs.flatten(), dim=0) > 0.6


def test_its_state_is_all_of_it(quantised):
    again = QuantisedCodeModel(quantised.config)
    again.load_state_dict(quantised.state_dict())
    codes = some_codes(2, LENGTH)
    with torch.no_grad():
        assert torch.equal(again(codes), quantised(codes))
    assert quantised.config == IntegerCodeModelConfig(K, NETWORK)


def test_one_layer_will_do():
    network = WaveNetConfig(width=8, skip=8, kernel=2, dilations=(1,), cycles=1)
    quantised = QuantisedCodeModel.of(small_prior(network), [some_codes(8, LENGTH)])
    codes = some_codes(3, LENGTH)
    with torch.no_grad():
        assert torch.equal(quantised(codes), quantised.frozen()(codes))


def test_what_cannot_be_quantised_is_refused(prior, quantised):
    for config in (CodeModelConfig(K, 0, NETWORKS[1]), CodeModelConfig(K, 3, NETWORKS[0])):
        with pytest.raises(ModelError, match="only a WaveNet without a condition"):
            QuantisedCodeModel.of(CodeModel(config), [some_codes(8, LENGTH)])
    with torch.no_grad():
        quantised.model.head.weight.mul_(1e9)
    with pytest.raises(ModelError, match="head have grown"):
        quantised.frozen()
