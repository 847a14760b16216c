"""What every prior must do, whatever network is inside."""

import pytest
import torch

from tests.small_prior import every_network, small_prior, some_codes
from vqaudio.models.code_model import CodeModelConfig

LENGTH = 50


def steps(prior, indices, conditions=None):
    state, previous, logits = prior.start(len(indices)), None, []
    for n in range(indices.shape[1]):
        condition = () if conditions is None else (conditions[:, n],)
        predicted, state = prior.step(previous, state, *condition)
        logits.append(predicted)
        previous = indices[:, n]
    return torch.stack(logits, dim=1)


@every_network
def test_it_is_causal_and_sees_as_far_as_it_says(network):
    prior = small_prior(network)
    indices = some_codes(32, LENGTH)
    changed_at = 20
    other = indices.clone()
    other[:, changed_at] = (other[:, changed_at] + 1) % 11
    with torch.no_grad():
        change = (prior(indices) - prior(other)).abs().amax(dim=(0, 2))
    seen = range(changed_at + 1, changed_at + 1 + prior.receptive_field)
    assert prior.receptive_field == 17
    assert (change[: seen.start] == 0).all()
    assert (change[seen.start : seen.stop] > 1e-4).all()
    assert (change[seen.stop :] < 1e-5).all()


@every_network
def test_the_first_code_is_predicted_from_nothing(network):
    prior = small_prior(network)
    with torch.no_grad():
        logits = prior(some_codes(5, LENGTH))[:, 0]
    assert torch.equal(logits, logits[:1].expand(5, -1))


@every_network
@pytest.mark.parametrize("condition_width", [0, 3])
def test_steps_are_the_full_pass(network, condition_width):
    prior = small_prior(network, condition_width)
    indices = some_codes(3, LENGTH)
    conditions = torch.randn(3, LENGTH, 3) if condition_width else None
    with torch.no_grad():
        full = prior(indices) if conditions is None else prior(indices, conditions)
    assert full.dtype == torch.float32
    torch.testing.assert_close(steps(prior, indices, conditions), full, rtol=1e-4, atol=1e-4)


@every_network
def test_a_batch_is_each_alone(network):
    prior = small_prior(network)
    indices = some_codes(4, LENGTH)
    with torch.no_grad():
        alone = torch.cat([prior(row[None]) for row in indices])
        torch.testing.assert_close(prior(indices), alone, rtol=1e-4, atol=1e-4)
    alone = torch.cat([steps(prior, row[None]) for row in indices])
    torch.testing.assert_close(steps(prior, indices), alone, rtol=1e-4, atol=1e-4)


@every_network
def test_the_condition_matters_from_its_own_code_on(network):
    prior = small_prior(network, 3)
    indices, conditions = some_codes(1, LENGTH), torch.randn(1, LENGTH, 3)
    other = conditions.clone()
    other[:, 20] += 1
    with torch.no_grad():
        change = (prior(indices, conditions) - prior(indices, other)).abs().amax(dim=(0, 2))
        assert (change[:20] == 0).all()
        assert change[20] > 1e-4
        of_all = conditions[:, :1].expand(-1, LENGTH, -1)
        ours, theirs = prior(indices, conditions[:, 0]), prior(indices, of_all)
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@every_network
def test_misuse_is_refused(network):
    with pytest.raises(ValueError, match="no channels"):
        small_prior(network)(some_codes(1, LENGTH), torch.randn(1, 3))
    with pytest.raises(ValueError, match="condition of 3 channels"):
        small_prior(network, 3)(some_codes(1, LENGTH))
    prior = small_prior(network)
    state = prior.start(1)
    with pytest.raises(ValueError, match="but the first"):
        prior.step(torch.tensor([0]), state)
    _, state = prior.step(None, state)
    with pytest.raises(ValueError, match="but the first"):
        prior.step(None, state)


@every_network
def test_bits_are_of_the_codes_that_there_are(network):
    prior = small_prior(network)
    indices = some_codes(2, LENGTH)
    indices[1, 30:] = -1
    with torch.no_grad():
        bits = prior.bits(indices)
        probabilities = prior(indices[:1]).double().softmax(-1)
        expected = -probabilities.gather(-1, indices[:1, :, None])[..., 0].log2()
        torch.testing.assert_close(bits[:1].double(), expected, rtol=1e-4, atol=1e-4)
        assert (bits[1, 30:] == 0).all()
        alone = prior.bits(indices[1:, :30])
        torch.testing.assert_close(bits[1:, :30], alone, rtol=1e-4, atol=1e-4)


@every_network
def test_configuration_as_plain_values(network):
    config = CodeModelConfig(11, 3, network)
    values = config.to_dict()
    assert values["network"]["kind"] == network.kind
    assert CodeModelConfig.from_dict(values) == config


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "network.kind must be one of wavenet, transformer, not None"),
        ({"network": {"kind": "rnn"}}, "not rnn"),
        ({"network": {"kind": "wavenet", "heads": 4}}, "heads"),
        ({"network": {"kind": "wavenet", "width": "wide"}}, "width"),
        ({"network": {"kind": "wavenet", "kernel": 1}}, "kernel"),
        ({"network": {"kind": "wavenet", "dilations": []}}, "dilations"),
        ({"network": {"kind": "transformer", "width": 30}}, "width 30"),
        ({"network": {"kind": "transformer", "window": 0}}, "window"),
        ({"codebook_size": 1, "network": {"kind": "wavenet"}}, "codebook_size"),
        ({"codebok_size": 9, "network": {"kind": "wavenet"}}, "codebok_size"),
    ],
)
def test_mistakes_in_a_configuration_are_one_line(values, message):
    with pytest.raises(ValueError, match=message) as caught:
        CodeModelConfig.from_dict(values)
    assert "\n" not in str(caught.value)
