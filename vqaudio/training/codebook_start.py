"""Where a prior starts from: what the codec knows of which codes are alike."""

import torch
from torch import Tensor

from vqaudio.models.code_model import CodeModel


@torch.no_grad()
def start_from_codebook(model: CodeModel, codebook: Tensor) -> None:
    """Give codes whose vectors are near to each other similar embeddings, and similar logits.

    codebook: [K, D], the quantiser's. Both are random projections of it. Numbers alone would leave the
    prior to find out from counts which codes stand for nearly the same sound, and a corpus of hours
    holds most sequences of three codes never or once.
    """
    vectors = codebook.float().to(model.head.weight.device)
    vectors = (vectors - vectors.mean(dim=0)) / vectors.std(dim=0)
    codes, size = vectors.shape
    embedding, head = model.embedding.weight, model.head.weight

    def projected(width: int) -> Tensor:
        return vectors @ torch.randn(size, width, device=vectors.device) / size**0.5

    # A tenth of chance: vectors of fewer dimensions than codes must not make codes inseparable.
    embedding[:codes] = projected(embedding.shape[1]) + 0.1 * embedding[:codes]
    head.copy_(projected(head.shape[1]) * head.std())
    model.head.bias.zero_()
