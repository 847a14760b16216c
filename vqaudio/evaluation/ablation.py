"""What a run of recipes/ablations came to, in figures, and the table of them all."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vqaudio.config import from_dict
from vqaudio.data.manifest import Corpus
from vqaudio.errors import ModelError
from vqaudio.evaluation.metrics import METRICS
from vqaudio.losses.spectral import MultiScaleMel
from vqaudio.models.bottlenecks import Gaussian
from vqaudio.models.quantizer import VectorQuantizer
from vqaudio.models.vqvae import VQVAE, VQVAEConfig
from vqaudio.training.ablation import AblationConfig, build
from vqaudio.training.codebook import perplexity
from vqaudio.training.export import averaged_weights, load_state, run_config
from vqaudio.training.held_out import HeldOut

HEARD = ("pesq_wb", "estoi")
"""Of METRICS, those that take no long time; left out where their packages are not installed."""


class Vectors(NamedTuple):
    """Of all clips one after the other. z, e: [N, D], what the encoder makes and the code it becomes;
    codes: int64 [N], of what has none [0]."""

    z: Tensor
    e: Tensor
    codes: Tensor


def measure(run: Path) -> dict[str, Any]:
    """What the newest checkpoint of a run does to its held-out clips; None for what a row has not.

    mel: distance by the measure that the run was trained with; mel_half: what it was half way;
    flips: share of their codes that change between two evaluations, the mean of those in the second
    half of the run; bits: a code, by the frequencies of the codes (log2 of the perplexity), or the
    KL divergence of a Gaussian;
    norm_z, norm_e, distortion: means of ||z_e||, ||e|| and ||z_e - e||^2; spread: how far z_e is from
    its mean, root mean square; relative_distortion: the distortion divided by the square of that,
    which is what a single code would leave.
    Raises ModelError if the run has no checkpoint or is none of an ablation.
    """
    state, config = load_state(run, None), run_config(run)
    task = state["task"]
    if "flips" not in task:
        raise ModelError(f"{run} is no run of --config-name train_ablation")
    training = from_dict(AblationConfig, task["training_config"])
    model = build(VQVAEConfig.from_dict(task["model_config"]), training.bottleneck)
    model = averaged_weights(model, task).eval()
    held_out = HeldOut(Corpus(config["data"]["held_out"]), frame=model.frame)
    mel = MultiScaleMel(training.loss.scales, model.sample_rate, training.loss.floor)
    crops = training.crops
    heard = state["step"] * crops.batch_size * crops.seconds / 3600
    vectors, scores = _through(model, held_out, mel)
    half = training.loop.steps / 2
    flips = [share for step, share in task["flips"] if step > half]
    return {
        **config["row"],
        "step": state["step"],
        "clips": len(held_out.waves),
        "hours_heard": heard,
        "mel_half": next((score for step, score in task["scores"] if step >= half), None),
        **scores,
        **_figures(model, vectors),
        "flips": float(np.mean(flips)) if flips else None,
    }


@torch.inference_mode()
def _through(
    model: VQVAE, held_out: HeldOut, mel: MultiScaleMel
) -> tuple[Vectors, dict[str, float | None]]:
    """All clips through the model, and what is heard of them: means over clips."""
    metrics = {name: METRICS[name] for name in HEARD if METRICS[name].missing() is None}
    scores: dict[str, list[float]] = {"mel": [], **{name: [] for name in metrics}}
    found = []
    for wave, _ in held_out.waves:
        decoded, z, quantized = model(wave[None])
        scores["mel"].append(mel(decoded, wave[None]).item())
        for name, metric in metrics.items():
            scores[name].append(metric.score(wave.numpy(), decoded[0].numpy())[0])
        found.append(Vectors(z[0], quantized.vectors[0], quantized.indices[0]))
    means = {name: float(np.nanmean(each)) for name, each in scores.items()}
    return Vectors(*(torch.cat(parts) for parts in zip(*found, strict=True))), {
        **dict.fromkeys(HEARD),
        **means,
    }


@torch.inference_mode()
def _figures(model: VQVAE, vectors: Vectors) -> dict[str, float | None]:
    used, norms = ("codes_used", "perplexity", "bits"), ("norm_z", "norm_e", "spread")
    figures = dict.fromkeys((*used, *norms, "distortion", "relative_distortion"))
    if len(vectors.codes):
        counts = torch.bincount(vectors.codes, minlength=model.codebook_size)
        figures["codes_used"] = (counts > 0).float().mean().item()
        figures["perplexity"] = perplexity(counts).item()
        figures["bits"] = math.log2(figures["perplexity"])
    if isinstance(model.quantizer, Gaussian):
        figures["bits"] = model.quantizer.rate(vectors.z).item()
    if isinstance(model.quantizer, VectorQuantizer):
        z, e = vectors.z, vectors.e
        distortion = (z - e).square().sum(-1).mean().item()
        figures["norm_z"], figures["norm_e"] = (v.norm(dim=-1).mean().item() for v in (z, e))
        variance = (z - z.mean(0)).square().sum(-1).mean().item()
        figures["spread"], figures["distortion"] = variance**0.5, distortion
        figures["relative_distortion"] = distortion / variance
    return figures


COLUMNS = {
    "mel, half way": ("mel_half", 1, 4),
    "mel distance": ("mel", 1, 4),
    "PESQ-WB": ("pesq_wb", 1, 2),
    "ESTOI": ("estoi", 1, 3),
    "codes used %": ("codes_used", 100, 0),
    "perplexity": ("perplexity", 1, 0),
    "bits a code": ("bits", 1, 2),
    "‖z_e‖": ("norm_z", 1, 2),
    "‖e‖": ("norm_e", 1, 2),
    "spread of z_e": ("spread", 1, 3),
    "‖z_e - e‖²": ("distortion", 1, 4),
    "of spread² %": ("relative_distortion", 100, 0),
    "flips %": ("flips", 100, 0),
}
"""Of the table: which figure, times what, and digits worth printing after the point."""


def table(rows: Sequence[str], measured: dict[str, dict[str, Any]]) -> str:
    """Markdown: a line a row in the given order, and below what each changes and tries.

    Rows that are not measured are said to be missing.
    """
    lines = [_line("row", *COLUMNS), _line("---", *("---:" for _ in COLUMNS))]
    for row in rows:
        if row in measured:
            cells = [_number(measured[row][key], *how) for key, *how in COLUMNS.values()]
            lines.append(_line(row, *cells))
    lines += ["", _line("row", "what it changes", "the claim"), _line("---", "---", "---")]
    for row in rows:
        if row in measured:
            lines.append(_line(row, measured[row]["changed"], measured[row]["claim"]))
    for told in sorted({_told(figures) for figures in measured.values()}):
        lines += ["", told]
    if missing := [row for row in rows if row not in measured]:
        lines += ["", f"Not measured yet: {', '.join(missing)}."]
    return "\n".join(lines)


def _told(figures: dict[str, Any]) -> str:
    return (
        f"{figures['step']} steps a row, {figures['hours_heard']:.2f} h heard; judged on the first six "
        f"seconds of {figures['clips']} held-out clips."
    )


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _number(value: float | None, scale: float, digits: int) -> str:
    return "-" if value is None else f"{scale * value:.{digits}f}"
