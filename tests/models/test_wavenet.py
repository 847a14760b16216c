import torch

from vqaudio.models.wavenet import GatedLayer, WaveNet, WaveNetConfig


def test_a_layer_is_the_gated_convolution_of_the_paper():
    """Against torch's own dilated convolution: tanh(W_f * x) sigmoid(W_g * x), 1x1 to both paths."""
    torch.manual_seed(0)
    layer = GatedLayer(width=4, skip=3, kernel=3, dilation=2, condition_width=0)
    x = torch.randn(2, 20, 4)
    residual, skip = layer(x, None)
    weight = layer.taps.weight.unflatten(1, (3, 4)).transpose(1, 2)  # [out, in, tap]
    padded = torch.nn.functional.pad(x.mT, (4, 0))
    gates = torch.nn.functional.conv1d(padded, weight, layer.taps.bias, dilation=2)
    out = layer.out((gates[:, :4].tanh() * gates[:, 4:].sigmoid()).mT)
    torch.testing.assert_close(residual, x + out[..., :4])
    torch.testing.assert_close(skip, out[..., 4:])


def test_default_sees_some_seconds_back():
    """500 to 1000 codes, which is 2 to 4 seconds at 250 a second."""
    network = WaveNet(WaveNetConfig())
    assert network.receptive_field == 1 + 2 * 85 * 3 == 511


def test_memory_of_a_state_does_not_grow():
    network = WaveNet(WaveNetConfig(width=8, skip=8, dilations=(1, 3), cycles=1))
    with torch.inference_mode():
        state = network.start(2)
        sizes = [ring.shape for ring in state.rings]
        for _ in range(30):
            network.step(torch.randn(2, 8), state)
    assert [ring.shape for ring in state.rings] == sizes
    assert sum(len(ring) for ring in state.rings) == network.receptive_field - 1


def test_a_condition_of_some_steps_is_one_of_each_of_them():
    torch.manual_seed(0)
    network = WaveNet(WaveNetConfig(width=8, skip=8, dilations=(1, 3), cycles=1), 5)
    x, condition = torch.randn(2, 12, 8), torch.randn(2, 4, 5)
    expected = network(x, condition.repeat_interleave(3, dim=1))
    torch.testing.assert_close(network(x, condition), expected)
