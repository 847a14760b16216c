import pytest
import torch

from vqaudio.losses.spectral import MelScale, MultiScaleMel, high_pass

SCALES = (MelScale(256, 20), MelScale(1024, 80))


@pytest.fixture(scope="module")
def crop(speech):
    """Speech at the level that models train on, [1, 16000]."""
    wave = speech[0][None, 8000:24000]
    return 0.1 * wave / wave.square().mean().sqrt()


def tone(frequency, level):
    return 2**0.5 * level * torch.sin(2 * torch.pi * frequency * torch.arange(16000) / 16000)[None]


def test_is_zero_for_equal_and_grows_with_damage(crop):
    mel = MultiScaleMel(SCALES)
    noise = torch.randn(crop.shape, generator=torch.Generator().manual_seed(0))
    distances = [mel(crop + amount * noise, crop) for amount in (0, 0.001, 0.01, 0.1)]
    assert distances[0] == 0
    assert distances == sorted(distances)


def test_a_high_floor_cares_about_loud_parts_only(crop):
    quiet = crop + 1e-3 * torch.randn(crop.shape, generator=torch.Generator().manual_seed(0))
    softer = 0.7 * crop
    low, high = MultiScaleMel(SCALES, floor=1e-5), MultiScaleMel(SCALES, floor=0.05)
    assert high(quiet, crop) / high(softer, crop) < 0.2 * low(quiet, crop) / low(softer, crop)


def test_gradient_reaches_the_decoded_side_only(crop):
    decoded, reference = (crop.clone().requires_grad_() for _ in range(2))
    MultiScaleMel(SCALES)(0.5 * decoded, reference).backward()
    assert decoded.grad.abs().sum() > 0
    assert reference.grad is None


def test_high_pass_takes_hum_and_leaves_voices(crop):
    def gain(frequency):
        wave = tone(frequency, 0.1)
        return 20 * torch.log10(high_pass(wave, 16000, 70).norm() / wave.norm())

    assert gain(50) < -20
    assert gain(60) < -10
    assert gain(70) == pytest.approx(-3, abs=0.1)
    assert gain(85) > -0.3
    rest = high_pass(crop, 16000, 70) - crop
    assert rest.norm() < 0.5 * crop.norm()
    torch.testing.assert_close(high_pass(crop, 16000, 0), crop, atol=1e-6, rtol=1e-4)
