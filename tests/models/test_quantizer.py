import pytest
import torch

from vqaudio.models.quantizer import QuantizerConfig, VectorQuantizer


@pytest.fixture(params=[True, False], ids=["sphere", "euclid"])
def quantizer(request):
    torch.manual_seed(0)
    module = VectorQuantizer(QuantizerConfig(32, 4, l2_normalize=request.param))
    torch.nn.init.normal_(module.codebook)
    return module


def encoder_outputs(quantizer):
    z_e = torch.randn(2, 10, 4, requires_grad=True)
    return z_e, quantizer.on_sphere(z_e)


def test_nearest_is_the_nearest(quantizer):
    _, z = encoder_outputs(quantizer)
    codes = quantizer.on_sphere(quantizer.codebook)
    expected = (z.unsqueeze(2) - codes).square().sum(-1).argmin(-1)
    assert torch.equal(quantizer(z).indices, expected)


def test_autocast_does_not_change_the_nearest(quantizer):
    z = quantizer.on_sphere(torch.randn(4, 2000, 4))
    expected = quantizer.nearest(z)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(quantizer.nearest(z), expected)


def test_commitment_moves_the_encoder_only(quantizer):
    z_e, z = encoder_outputs(quantizer)
    quantizer(z).commitment_loss.backward()
    assert z_e.grad.abs().sum() > 0
    assert quantizer.codebook.grad is None


def test_codebook_loss_moves_the_chosen_codes_only(quantizer):
    z_e, z = encoder_outputs(quantizer)
    quantized = quantizer(z)
    quantized.codebook_loss.backward()
    assert z_e.grad is None
    moved = quantizer.codebook.grad.abs().sum(-1) > 0
    assert set(moved.nonzero().flatten().tolist()) == set(quantized.indices.unique().tolist())


def test_reconstruction_reaches_the_encoder_straight_through(quantizer):
    z_e, z = encoder_outputs(quantizer)
    vectors = quantizer(z).vectors
    direction = torch.randn_like(vectors)
    (gradient,) = torch.autograd.grad((vectors * direction).sum(), z, retain_graph=True)
    assert torch.equal(gradient, direction)  # as if the quantiser were not there
    (vectors * direction).sum().backward()
    assert quantizer.codebook.grad is None  # equation 3: the decoder's loss does not teach e
    assert z_e.grad.abs().sum() > 0


def test_vectors_are_the_codes(quantizer):
    _, z = encoder_outputs(quantizer)
    quantized = quantizer(z)
    codes = quantizer.on_sphere(quantizer.codebook)[quantized.indices]
    torch.testing.assert_close(quantized.vectors, codes)
    torch.testing.assert_close(quantizer.lookup(quantized.indices), codes)


def test_losses_are_squared_norms_not_means_over_dimensions():
    quantizer = VectorQuantizer(QuantizerConfig(2, 8, l2_normalize=False))
    torch.nn.init.zeros_(quantizer.codebook)
    quantized = quantizer(torch.ones(1, 3, 8))
    assert quantized.commitment_loss == quantized.codebook_loss == 8


def test_no_code_is_the_zero_vector(quantizer):
    vectors = quantizer.lookup(torch.tensor([[-1, 3]]))
    assert vectors[0, 0].abs().sum() == 0
    assert vectors[0, 1].abs().sum() > 0
