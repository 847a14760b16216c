import torch
from torch.nn import functional as F

from tests.small_prior import K, every_network, some_codes
from vqaudio.models.code_model import CodeModel, CodeModelConfig
from vqaudio.training.codebook_start import start_from_codebook


@every_network
def test_codes_of_near_vectors_mean_nearly_the_same(network):
    torch.manual_seed(0)
    codebook = torch.randn(K, 8)
    codebook[1] = codebook[0] + 0.01
    model = CodeModel(CodeModelConfig(K, 0, network)).eval()
    begin = model.embedding.weight[K].clone()
    start_from_codebook(model, codebook)
    likeness = F.cosine_similarity(model.embedding.weight[0], model.embedding.weight[1:K], dim=-1)
    assert likeness[0] > 0.9
    assert likeness[0] == likeness.max()
    assert torch.equal(model.embedding.weight[K], begin)
    with torch.inference_mode():
        logits = model(some_codes(2, 20))
    near = (logits[..., 0] - logits[..., 1]).abs().mean()
    assert near < 0.3 * logits.std(dim=-1).mean()
