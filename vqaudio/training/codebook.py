"""How a codebook learns beyond its gradient: k-means start, moving averages, restart of dead codes."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from sklearn.cluster import KMeans
from torch import Tensor, nn
from torch.nn import functional as F

from vqaudio.models.quantizer import VectorQuantizer
from vqaudio.training import distributed


@dataclass(frozen=True)
class CodebookConfig:
    """`update`: "ema" (van den Oord et al. 2017, appendix A.1) or "loss" (its equation 3).

    `decay` is the paper's gamma. A code whose average count falls under `restart_below` times the
    mean count is replaced by an encoder output; 0 switches that off. `kmeans_vectors`: so many encoder
    outputs the first codes are k-means centres of; 0 leaves them random.
    """

    update: str = "ema"
    decay: float = 0.99
    smoothing: float = 1e-5
    restart_below: float = 0.02
    kmeans_vectors: int = 20_000

    def __post_init__(self):
        if self.update not in ("ema", "loss"):
            raise ValueError(f"codebook update must be ema or loss, not {self.update}")


class CodebookLearner(nn.Module):
    """The training-time state of one codebook; what is shipped does not carry it.

    `counts` [K] and `sums` [K, D] are the paper's N and m: moving averages, summed over all ranks, of
    how many vectors chose each code and of those vectors. Every rank holds the same numbers.
    """

    def __init__(self, config: CodebookConfig, quantizer: VectorQuantizer):
        super().__init__()
        self.config, self.quantizer = config, (quantizer,)  # a tuple: not a submodule of ours
        size = len(quantizer.codebook)
        quantizer.codebook.requires_grad_(config.update == "loss")
        self.register_buffer("counts", torch.ones(size))
        self.register_buffer("sums", quantizer.codebook.detach().clone())
        self.register_buffer("usage", torch.zeros(size))

    @property
    def codebook(self) -> Tensor:
        return self.quantizer[0].codebook.data

    @torch.no_grad()
    def start(self, vectors: Tensor, seed: int) -> None:
        """Codes become the k-means centres of encoder outputs (Zeghidour et al. 2021, *SoundStream*,
        section III-C). vectors: [N, D], those of all ranks; only rank 0's matter."""
        size = len(self.counts)
        kmeans = KMeans(size, n_init=1, max_iter=50, random_state=seed)
        kmeans.fit(vectors.float().cpu().numpy())
        self.codebook.copy_(torch.from_numpy(kmeans.cluster_centers_))
        distributed.broadcast(self.codebook)
        share = torch.bincount(torch.from_numpy(kmeans.labels_).long(), minlength=size)
        self.counts.copy_(share / len(vectors) * size)
        distributed.broadcast(self.counts)
        self.sums.copy_(self.codebook * self.counts.unsqueeze(-1))

    @torch.no_grad()
    def start_at(self, encode: Callable[[int], Tensor], n: int, seed: int) -> None:
        """The same, of as many vectors as the configuration says. encode(i): encoder outputs
        [B, N, D], as compared, of this rank's batch of step i; called for steps n, n + 1, ..."""
        if not self.config.kmeans_vectors:
            return
        vectors: list[Tensor] = []
        while sum(len(v) for v in vectors) < self.config.kmeans_vectors:
            z = encode(n + len(vectors))
            # Gathered batch by batch, so that the order does not depend on the number of ranks.
            vectors.append(distributed.gather_rows(z.flatten(0, 1)))
        self.start(torch.cat(vectors), seed)

    @torch.no_grad()
    def learn(self, z: Tensor, indices: Tensor, generator: torch.Generator) -> dict[str, float]:
        """One step, after the optimiser's. z: [B, N, D] as compared, indices: int64 [B, N].

        `generator` must be in the same state on every rank.
        """
        vectors, indices = z.detach().flatten(0, 1).float(), indices.flatten()
        chosen = F.one_hot(indices, len(self.counts)).to(vectors.dtype)
        counts = distributed.sum_over_ranks(chosen.sum(0))
        sums = distributed.sum_over_ranks(chosen.T @ vectors)
        self.usage += counts
        self.counts.lerp_(counts, 1 - self.config.decay)
        self.sums.lerp_(sums, 1 - self.config.decay)
        restarted = self._restart(vectors, generator)
        if self.config.update == "ema":
            total, k = self.counts.sum(), len(self.counts)
            smoothed = (
                (self.counts + self.config.smoothing) / (total + k * self.config.smoothing) * total
            )
            self.codebook.copy_(self.sums / smoothed.unsqueeze(-1))
        return {"restarted": float(restarted), "perplexity_batch": perplexity(counts).item()}

    def _restart(self, vectors: Tensor, generator: torch.Generator) -> int:
        """Move dead codes onto vectors of this step.

        The averages are edited along with the code. Editing the code alone does nothing: the next
        line of the update would recompute it from `sums / counts` (a bug that EnCodec's quantiser
        has handed down to many).
        """
        threshold = self.config.restart_below * self.counts.mean()
        dead = (self.counts < threshold).nonzero().flatten()
        if not len(dead):
            return 0
        candidates = distributed.gather_rows(vectors)
        rows = torch.randperm(len(candidates), generator=generator)[: len(dead)]
        dead, fresh = dead[: len(rows)], candidates[rows.to(candidates.device)]
        # Half the mean count: long enough to live to be chosen, too light to hide that it is new.
        weight = 0.5 * self.counts.mean()
        self.counts[dead] = weight
        self.sums[dead] = weight * fresh
        self.codebook[dead] = fresh
        return len(dead)

    def take_usage(self) -> dict[str, float]:
        """Share of codes in use and perplexity since the last call: over an epoch, not one batch,
        for a batch holds too few vectors to need every code."""
        if not self.usage.sum():
            return {}
        used = (self.usage > 0).float().mean().item()
        result = {"codes_used": used, "perplexity_epoch": perplexity(self.usage).item()}
        self.usage.zero_()
        return result


def perplexity(counts: Tensor) -> Tensor:
    """exp of the entropy of the distribution that counts [K] make: K if all codes are used alike."""
    p = counts.float() / counts.sum()
    return torch.special.entr(p).sum().exp()
