import pytest
import torch
from torch.distributions import Normal, kl_divergence

from vqaudio.models.bottlenecks import (
    CONTINUOUS,
    GAUSSIAN,
    SCALAR,
    UNTAUGHT,
    VQ,
    BottleneckConfig,
)
from vqaudio.models.quantizer import QuantizerConfig, VectorQuantizer

DIM = 4
QUANTIZER = QuantizerConfig(codebook_size=512, dim=DIM, l2_normalize=False)


def make(kind, **settings):
    torch.manual_seed(0)
    return BottleneckConfig(kind, **settings).make(QUANTIZER)


def outputs(count=50):
    torch.manual_seed(1)
    return torch.randn(2, count, DIM, requires_grad=True)


@pytest.mark.parametrize("kind", [VQ, CONTINUOUS, GAUSSIAN, SCALAR])
def test_what_the_decoder_wants_reaches_the_encoder(kind):
    z = outputs()
    bottleneck = make(kind)
    quantized = bottleneck(bottleneck.on_sphere(z))
    assert quantized.vectors.shape == z.shape
    quantized.vectors.square().sum().backward()
    assert z.grad.abs().sum() > 0


def test_without_straight_through_only_commitment_does():
    z = outputs()
    quantized, taught = make(UNTAUGHT)(z), make(VQ)(z)
    assert torch.equal(quantized.vectors, taught.vectors)
    assert not quantized.vectors.requires_grad
    quantized.commitment_loss.backward()
    assert z.grad.abs().sum() > 0


def test_the_codecs_own_is_the_codecs_own():
    assert type(make(VQ)) is VectorQuantizer


def test_no_bottleneck_lets_everything_through():
    z = outputs()
    quantized = make(CONTINUOUS)(z)
    assert torch.equal(quantized.vectors, z)
    assert quantized.indices.shape == (2, 0)
    assert quantized.commitment_loss == 0


def test_rate_of_a_gaussian_is_its_divergence():
    gaussian, z = make(GAUSSIAN, bits=1.0), outputs()
    torch.nn.init.normal_(gaussian.moments.weight)
    mean, log_variance = gaussian.moments(z).chunk(2, dim=-1)
    posterior = Normal(mean, (0.5 * log_variance).exp())
    nats = kl_divergence(posterior, Normal(0.0, 1.0)).sum(-1).mean()
    bits = gaussian.rate(z)
    torch.testing.assert_close(bits, nats / torch.tensor(2.0).log())
    torch.testing.assert_close(gaussian(z).commitment_loss, bits - 1)


def test_a_gaussian_draws_anew_in_training_only():
    gaussian, z = make(GAUSSIAN), outputs()
    first, second = gaussian(z).vectors, gaussian(z).vectors
    assert not torch.equal(first, second)
    spread = (first - second).std().item()
    assert spread == pytest.approx(2**0.5 * torch.tensor(-2.0).exp().item(), rel=0.2)
    resumed = make(GAUSSIAN)
    resumed.load_state_dict(gaussian.state_dict())
    assert torch.equal(gaussian(z).vectors, resumed(z).vectors)
    gaussian.eval()
    assert torch.equal(gaussian(z).vectors, gaussian(z).vectors)


@pytest.mark.parametrize("levels", [(8, 8, 8), (32, 16), (3, 5, 4)])
def test_scalars_are_as_many_codes_as_their_levels_make(levels):
    size = int(torch.tensor(levels).prod())
    config = QuantizerConfig(codebook_size=size, dim=len(levels))
    scalar = BottleneckConfig(SCALAR, levels=levels).make(config)
    torch.nn.init.eye_(scalar.down.weight)
    torch.nn.init.eye_(scalar.up.weight)
    torch.nn.init.zeros_(scalar.down.bias)
    torch.nn.init.zeros_(scalar.up.bias)
    quantized = scalar(5 * torch.rand(4, 50_000, len(levels)) - 2.5)
    assert quantized.indices.unique().tolist() == list(range(size))
    # A code stands for one vector, and no two stand for the same.
    pairs = torch.cat([quantized.indices[..., None].float(), quantized.vectors.detach()], dim=-1)
    assert len(pairs.flatten(0, 1).unique(dim=0)) == size
    assert len(quantized.vectors.detach().flatten(0, 1).unique(dim=0)) == size
    assert quantized.vectors.abs().max() <= 1


def test_a_scalar_near_zero_is_at_a_level():
    scalar = make(SCALAR)
    assert scalar.bound(torch.zeros(3)).abs().max() < 1e-6


def test_mistakes_are_told():
    with pytest.raises(ValueError, match="magic"):
        BottleneckConfig("magic")
    with pytest.raises(ValueError, match="at least 3"):
        BottleneckConfig(SCALAR, levels=(8, 2))
    with pytest.raises(ValueError, match="512 codes"):
        make(SCALAR, levels=(8, 8))
