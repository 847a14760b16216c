import pytest
import torch

from vqaudio.models.discriminators import (
    DiscriminatorConfig,
    Discriminators,
    PeriodDiscriminator,
)

TINY = DiscriminatorConfig(periods=(2, 3), period_widths=(4, 8), windows=(256, 64), stft_width=4)


@pytest.mark.parametrize("length", [1000, 1001, 1024])
def test_maps(length):
    maps = Discriminators(TINY)(torch.randn(3, length))
    assert len(maps) == 4
    for layers, factor in zip(maps, (2, 3, 1, 1), strict=True):
        assert len(layers) > 2
        assert layers[-1].shape[1] == 1
        assert all(layer.shape[0] == 3 * factor for layer in layers)


def test_items_of_a_batch_do_not_meet():
    torch.manual_seed(0)
    model, wave = Discriminators(TINY), torch.randn(2, 1000)
    both, alone = model(wave), model(wave[1:])
    for layers, expected in zip(both, alone, strict=True):
        for layer, one in zip(layers, expected, strict=True):
            torch.testing.assert_close(layer.chunk(2)[1], one, rtol=1e-4, atol=1e-5)


def test_a_period_is_a_phase_of_the_wave():
    """A change of sample 7 is seen in row 7 mod 3 and in no other."""
    model, wave = PeriodDiscriminator(3, (4, 8)), torch.randn(1, 300)
    changed = wave.clone()
    changed[0, 7] += 1
    rows = (model(wave)[0] - model(changed)[0]).abs().sum(dim=(1, 2)) > 0
    assert rows.tolist() == [False, True, False]


def test_autocast_keeps_the_spectrum_exact():
    torch.manual_seed(0)
    model, wave = Discriminators(TINY), torch.randn(2, 1000)
    wanted = model(wave)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        maps = model(wave)
        model(wave.bfloat16())  # as a decoder under autocast may give it
    assert maps[-1][0].dtype == torch.bfloat16
    for layers, expected in zip(maps, wanted, strict=True):
        error = layers[0].float() - expected[0]
        assert error.square().mean() < 1e-4 * expected[0].square().mean()


def test_weight_norm_everywhere():
    names = [name for name, _ in Discriminators(TINY).named_parameters() if "bias" not in name]
    assert names
    assert all("parametrizations" in name for name in names)


def test_nonsense_is_refused():
    for bad in ({"periods": (), "windows": ()}, {"stft_width": 0}, {"period_widths": ()}):
        with pytest.raises(ValueError, match=r"discriminator|positive"):
            DiscriminatorConfig(**bad)
