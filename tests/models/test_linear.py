import pytest
import torch
from torch import nn
from torch.nn import functional as F

from vqaudio.models import linear as module
from vqaudio.models.linear import linear


@pytest.mark.parametrize("activation", ["none", "gelu"])
@pytest.mark.parametrize("steps", [1, 40, 300])
def test_at_work_it_computes_what_it_does_in_training(activation, steps):
    torch.manual_seed(0)
    layer, x = nn.Linear(24, 72), torch.randn(2, steps, 24)
    expected = layer(x).detach()
    if activation == "gelu":
        expected = F.gelu(expected)
    in_training = linear(x, layer, activation)
    assert in_training.requires_grad
    with torch.inference_mode():
        at_work = linear(x, layer, activation)
    torch.testing.assert_close(in_training.detach(), expected)
    torch.testing.assert_close(at_work, expected, rtol=1e-5, atol=1e-5)


def test_without_the_fused_operator(monkeypatch):
    layer, x = nn.Linear(24, 72), torch.randn(2, 40, 24)
    with torch.inference_mode():
        expected = linear(x, layer, "gelu")
        monkeypatch.setattr(module, "_FUSED", None)
        torch.testing.assert_close(linear(x, layer, "gelu"), expected, rtol=1e-5, atol=1e-5)


def test_under_autocast():
    layer, x = nn.Linear(24, 72), torch.randn(2, 40, 24)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        at_work = linear(x, layer, "gelu")
    torch.testing.assert_close(at_work.float(), linear(x, layer, "gelu"), rtol=0.05, atol=0.05)


def test_in_other_precisions():
    """The fused operator has none for float64, nor on most machines for float16."""
    layer, x = nn.Linear(24, 72).double(), torch.randn(2, 40, 24).double()
    with torch.inference_mode():
        torch.testing.assert_close(linear(x, layer, "gelu"), F.gelu(layer(x)))
