import pytest
import torch

from vqaudio.models.quantizer import QuantizerConfig, VectorQuantizer
from vqaudio.training.codebook import CodebookConfig, CodebookLearner, perplexity


def learner(config=CodebookConfig(), size=8, dim=2, l2_normalize=False):  # noqa: B008
    torch.manual_seed(0)
    quantizer = VectorQuantizer(QuantizerConfig(size, dim, l2_normalize=l2_normalize))
    torch.nn.init.normal_(quantizer.codebook)
    return CodebookLearner(config, quantizer), quantizer


def generator():
    return torch.Generator().manual_seed(0)


def test_moving_averages_are_the_papers(monkeypatch):
    """Appendix A.1: N <- g N + (1 - g) n, m <- g m + (1 - g) sum z, e = m / N."""
    rule, quantizer = learner(CodebookConfig(decay=0.9, smoothing=0.0, restart_below=0.0))
    counts, sums = rule.counts.clone(), rule.sums.clone()
    z = torch.randn(1, 50, 2)
    indices = quantizer.nearest(z)
    rule.learn(z, indices, generator())
    for code in range(8):
        mine = z[0][indices[0] == code]
        n = 0.9 * counts[code] + 0.1 * len(mine)
        m = 0.9 * sums[code] + 0.1 * mine.sum(0)
        torch.testing.assert_close(quantizer.codebook[code].detach(), m / n)


def test_codebook_loss_variant_leaves_the_codes_to_the_optimiser():
    rule, quantizer = learner(CodebookConfig(update="loss", restart_below=0.0))
    before = quantizer.codebook.detach().clone()
    z = torch.randn(1, 50, 2)
    rule.learn(z, quantizer.nearest(z), generator())
    assert torch.equal(quantizer.codebook, before)
    assert quantizer.codebook.requires_grad
    assert not learner()[1].codebook.requires_grad


@pytest.mark.parametrize("update", ["ema", "loss"])
def test_restart_takes_effect_and_lasts(update):
    """A dead code moves to where the vectors are, and is there still after the next update.

    Written against a known bug: editing the code but not the averages it is recomputed from.
    """
    rule, quantizer = learner(CodebookConfig(update=update, decay=0.5, restart_below=0.02))
    with torch.no_grad():
        quantizer.codebook[3] = torch.tensor([100.0, 100.0])  # nothing is ever near it
    rule.sums.copy_(quantizer.codebook.detach() * rule.counts.unsqueeze(-1))
    restarted = 0
    for seed in range(12):
        z = torch.randn(1, 400, 2, generator=torch.Generator().manual_seed(seed))
        restarted += rule.learn(z, quantizer.nearest(z), generator())["restarted"]
    assert restarted >= 1
    assert quantizer.codebook[3].norm() < 10
    assert (quantizer.nearest(z) == 3).any()


def test_no_restart_when_switched_off():
    rule, quantizer = learner(CodebookConfig(decay=0.5, restart_below=0.0))
    with torch.no_grad():
        quantizer.codebook[3] = torch.tensor([100.0, 100.0])
    rule.sums.copy_(quantizer.codebook.detach() * rule.counts.unsqueeze(-1))
    for _ in range(12):
        z = torch.randn(1, 400, 2)
        rule.learn(z, quantizer.nearest(z), generator())
    assert quantizer.codebook[3].norm() > 10


def test_start_puts_codes_where_the_vectors_are():
    rule, quantizer = learner(size=4)
    centres = torch.tensor([[5.0, 0], [0, 5], [-5, 0], [0, -5]])
    vectors = (centres.repeat_interleave(100, 0)) + 0.1 * torch.randn(400, 2)
    rule.start(vectors, seed=0)
    gaps = torch.cdist(centres, quantizer.codebook.detach()).min(-1).values
    assert gaps.max() < 0.1
    torch.testing.assert_close(rule.counts, torch.ones(4))
    torch.testing.assert_close(rule.sums, quantizer.codebook.detach())


def test_usage_is_over_many_steps():
    rule, _ = learner(CodebookConfig(restart_below=0.0))
    for code in range(8):
        rule.learn(torch.randn(1, 5, 2), torch.full((1, 5), code), generator())
    usage = rule.take_usage()
    assert usage["codes_used"] == 1
    assert usage["perplexity_epoch"] == pytest.approx(8)
    assert rule.take_usage() == {}


def test_perplexity():
    assert perplexity(torch.tensor([4, 4, 4, 4])).item() == pytest.approx(4)
    assert perplexity(torch.tensor([9, 0, 0])).item() == pytest.approx(1)
