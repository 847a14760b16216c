import pytest
import torch
from torch.nn import functional as F

from vqaudio.models.transformer import Transformer, TransformerConfig, sliding_attention


@pytest.mark.parametrize("length", [1, 6, 7, 8, 13, 14, 15, 40])
def test_blocks_are_attention_within_the_window(length):
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, 3, length, 4)
    ages = torch.arange(length)[:, None] - torch.arange(length)
    band = (ages >= 0) & (ages < 7)
    expected = F.scaled_dot_product_attention(query, key, value, attn_mask=band)
    torch.testing.assert_close(sliding_attention(query, key, value, 7), expected)


def test_positions_are_relative():
    """What is an hour in is predicted as at the start, from the same window."""
    torch.manual_seed(0)
    network = Transformer(TransformerConfig(width=16, layers=1, heads=2, window=5))
    x = torch.randn(1, 9, 16)
    with torch.inference_mode():
        network.layers[0].merge.weight.mul_(50)
        network.layers[0].project.weight.mul_(3)
        here, far = network.start(1), network.start(1)
        far.position = 900_000  # a multiple of the window: the rings are aligned
        ours, theirs = (
            torch.stack([network.step(step, state) for step in x.unbind(1)], dim=1)
            for state in (here, far)
        )
    # Far in, the first steps also attend to the empty cache of a start that there never was.
    torch.testing.assert_close(ours[:, 4:], theirs[:, 4:], rtol=1e-3, atol=1e-3)


def test_order_matters():
    torch.manual_seed(0)
    network = Transformer(TransformerConfig(width=16, layers=1, heads=2, window=5))
    x = torch.randn(1, 4, 16)
    with torch.no_grad():
        network.layers[0].merge.weight.mul_(50)
        ours, theirs = network(x), network(x[:, [1, 0, 2, 3]])
    assert (ours[:, 3] - theirs[:, 3]).abs().max() > 1e-3
