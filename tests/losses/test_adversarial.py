from pathlib import Path

import pytest
import soundfile
import torch

from vqaudio.losses.adversarial import (
    discriminator_loss,
    discriminator_step,
    feature_matching_loss,
    generator_loss,
    generator_step,
)
from vqaudio.models.discriminators import DiscriminatorConfig, Discriminators

SPEECH = Path(__file__).parents[1] / "speech"
TINY = DiscriminatorConfig(periods=(2, 5), period_widths=(16, 64), windows=(512,), stft_width=16)


@pytest.fixture
def discriminators():
    torch.manual_seed(0)
    return Discriminators(TINY)


def maps_of(*logits):
    """One discriminator: a feature map of ones, then the logits."""
    return [[torch.ones(1, 2, 3), torch.tensor([list(logits)])]]


def test_values():
    assert generator_loss(maps_of(1.0, 1.0)) == 0
    assert generator_loss(maps_of(0.0, 2.0)) == 1
    assert discriminator_loss(maps_of(1.0), maps_of(0.0)) == 0
    assert discriminator_loss(maps_of(0.0), maps_of(1.0)) == 2
    assert discriminator_loss(maps_of(0.5), maps_of(0.5)) == 0.5


def test_feature_matching_is_relative_and_leaves_logits_out():
    real, fake = maps_of(1.0), maps_of(-5.0)
    assert feature_matching_loss(real, fake) == 0
    real[0][0], fake[0][0] = real[0][0] * 4, real[0][0] * 5
    assert feature_matching_loss(real, fake) == pytest.approx(0.25)
    assert feature_matching_loss([[real[0][0] * 0, real[0][1]]], fake).isfinite()


def test_feature_matching_gives_the_target_no_gradient():
    real = [[torch.randn(2, 3, requires_grad=True), torch.zeros(1)]]
    fake = [[torch.randn(2, 3, requires_grad=True), torch.zeros(1)]]
    feature_matching_loss(real, fake).backward()
    assert real[0][0].grad is None
    assert fake[0][0].grad.abs().sum() > 0


def test_discriminator_step_gives_the_generator_no_gradient(discriminators):
    fake = torch.randn(2, 1000, requires_grad=True)
    discriminator_step(discriminators, torch.randn(2, 1000), fake).backward()
    assert fake.grad is None
    assert all(p.grad is not None for p in discriminators.parameters())


def test_generator_step_gives_the_discriminators_no_gradient(discriminators):
    real, fake = torch.randn(2, 1000), torch.randn(2, 1000, requires_grad=True)
    for loss in generator_step(discriminators, real, fake):
        (gradient,) = torch.autograd.grad(loss, fake, retain_graph=True)
        assert gradient.abs().sum() > 0
    sum(generator_step(discriminators, real, fake)).backward()
    assert all(p.grad is None for p in discriminators.parameters())
    assert all(p.requires_grad for p in discriminators.parameters())


def test_one_pass_equals_two(discriminators):
    real, fake = torch.randn(2, 1000), torch.randn(2, 1000)
    wanted = discriminator_loss(discriminators(real), discriminators(fake))
    torch.testing.assert_close(discriminator_step(discriminators, real, fake), wanted)


def speech_crops(name, count, length=4096):
    wave = torch.from_numpy(soundfile.read(SPEECH / name, dtype="float32")[0])
    crops = wave[: len(wave) // length * length].view(-1, length)
    crops = crops[crops.square().mean(1).argsort(descending=True)[:count]]
    return 0.1 * crops / crops.square().mean(1, keepdim=True).sqrt()


def noise_like(speech):
    """The same spectrum and loudness, every phase random."""
    spectrum = torch.fft.rfft(speech)
    phases = torch.randn_like(spectrum)
    return torch.fft.irfft(spectrum.abs() * phases / phases.abs(), n=speech.shape[-1])


def verdict(discriminators, wave):
    """The mean logit of each clip over time and discriminators."""
    maps = discriminators(wave)
    return torch.stack([layers[-1].reshape(len(wave), -1).mean(1) for layers in maps]).mean(0)


def test_learns_to_tell_speech_from_noise_shaped_like_it(discriminators):
    speech = speech_crops("2414-128291-0005.flac", 16)
    optimizer = torch.optim.AdamW(discriminators.parameters(), lr=3e-3, betas=(0.8, 0.99))
    for step in range(30):
        real = speech[step % 2 :: 2]
        loss = discriminator_step(discriminators, real, noise_like(real))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    unheard = speech_crops("1455-134435-0000.flac", 8)
    with torch.no_grad():
        real, fake = verdict(discriminators, unheard), verdict(discriminators, noise_like(unheard))
    assert (real > fake).sum() >= 7
    assert (real - fake).mean() > 0.05
