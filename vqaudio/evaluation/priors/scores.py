"""What codes of recordings cost, in bits, by models that know more and more about them."""

import lzma
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from vqaudio.codes import Codes
from vqaudio.container import BLOCK_CODES
from vqaudio.data.chunks import CodeCorpus
from vqaudio.evaluation.coding import Progress
from vqaudio.evaluation.priors.clips import CodedClip
from vqaudio.evaluation.priors.ngram import NGram
from vqaudio.evaluation.summary import by_folder, statistics
from vqaudio.packing import pack
from vqaudio.prior import Prior

UNIFORM, XZ = "uniform", "xz"
NGRAMS = {"unigram": 1, "bigram": 2, "trigram": 3}
TRIGRAM = "trigram"

Bits = Callable[[Codes], np.ndarray]
"""What each code of rows that are equally long costs: float64 [B * N], row after row."""


def ngram_bits(train: CodeCorpus, codebook_size: int) -> dict[str, Bits]:
    """The n-gram models of a corpus, by name."""
    return {
        name: _ngram_bits(NGram(train.clips, order, codebook_size))
        for name, order in NGRAMS.items()
    }


def prior_bits(prior: Prior) -> Bits:
    return lambda codes: prior.bits(codes).double().flatten().numpy()


def xz_bits(codes: Codes) -> int:
    """What `xz -9e` makes of the codes of one clip, packed as in a .vqc file, as a file of its own."""
    packed = pack(codes.indices.numpy(), codes.bits_per_code)
    return 8 * len(lzma.compress(packed, preset=9 | lzma.PRESET_EXTREME))


def score(
    clips: Sequence[CodedClip],
    models: Mapping[str, Bits],
    on_progress: Callable[[Progress], None],
) -> dict[str, list[float]]:
    """{model: mean bits per code of each clip}, of these models and of UNIFORM and XZ."""
    costs: dict[str, list[float]] = {name: [] for name in (UNIFORM, *models, XZ)}
    on_progress(Progress("scoring", 0, len(clips)))
    for done, (_, codes) in enumerate(clips, 1):
        costs[UNIFORM].append(math.log2(codes.codebook_size))
        costs[XZ].append(xz_bits(codes) / codes.indices.numel())
        for name, bits in models.items():
            costs[name].append(float(bits(codes).mean()))
        on_progress(Progress("scoring", done, len(clips)))
    return costs


def score_summary(clips: Sequence[CodedClip], costs: Mapping[str, Sequence[float]]) -> dict:
    """{model: bits per code as `statistics` of clips, weighted by their codes; `beside_trigram`: the
    same of the difference, clip by clip; `groups`: means over clips in the same folder}."""
    numbers = [clip.num_codes for clip in clips]
    groups = by_folder(range(len(clips)), lambda n: clips[n].path)
    told = {}
    for name, values in costs.items():
        told[name] = statistics(values, numbers)
        if TRIGRAM in costs:
            gaps = np.subtract(values, costs[TRIGRAM])
            told[name]["beside_trigram"] = statistics(gaps, numbers)
        told[name]["groups"] = {
            group: float(np.average(np.take(values, some), weights=np.take(numbers, some)))
            for group, some in groups.items()
        }
    return told


def blocks(codes: Codes) -> list[Codes]:
    """Codes of one clip in the pieces that a file codes by themselves."""
    rows = np.array_split(
        codes.indices.numpy(), range(BLOCK_CODES, codes.indices.shape[1], BLOCK_CODES), axis=1
    )
    return [as_codes(row, codes) for row in rows]


def as_codes(rows: np.ndarray, like: Codes) -> Codes:
    """Codes [B, n] as if of the codec that made `like`, at its model's rate."""
    indices = torch.from_numpy(np.ascontiguousarray(rows, dtype=np.int64))
    return replace(
        like,
        indices=indices,
        sample_rate=like.model_rate,
        lengths=(indices.shape[1] * like.hop,) * len(indices),
        levels=like.levels[:1] * len(indices),
    )


def _ngram_bits(model: NGram) -> Bits:
    return lambda codes: np.concatenate([model.bits(row) for row in codes.indices.numpy()])
