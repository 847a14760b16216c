import torch

from vqaudio.models.convnext import ConvNeXtBlock


def test_at_work_it_computes_what_it_does_in_training():
    torch.manual_seed(0)
    block = ConvNeXtBlock(24, scale=50)
    x = torch.randn(2, 40, 24)
    with torch.inference_mode():
        at_work = block(x)
    in_training = block(x).detach()
    assert (in_training - x).norm() > 0.1 * x.norm()
    torch.testing.assert_close(at_work, in_training, rtol=1e-5, atol=1e-5)
