"""From a prior's training run to a model that can be used: averaged weights and a card of the run.

    python -m vqaudio.training.export_prior RUN OUT [--checkpoint FILE]

RUN is what vqaudio-train had as output=. OUT gets model.safetensors and card.json, in which `codec` is
the fingerprint of the codec whose codes the prior learned: it is of use for those alone.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf

from vqaudio import modelfiles
from vqaudio.data.chunks import CodeCorpus
from vqaudio.errors import ModelError, VqaudioError
from vqaudio.models.prior import Prior, PriorConfig
from vqaudio.training import checkpoint
from vqaudio.training.checkpoint import Checkpoints


def export(run: Path, out: Path, path: Path | None = None) -> None:
    """Write the averaged weights of a checkpoint (the newest by default), with a card of the run."""
    path = path or Checkpoints(run / "checkpoints").latest()
    if path is None:
        raise ModelError(f"{run} holds no checkpoint")
    state = checkpoint.load(path)
    task = state["task"]
    averaged = torch.optim.swa_utils.AveragedModel(
        Prior(PriorConfig.from_dict(task["model_config"]))
    )
    averaged.load_state_dict(task["averaged"])
    modelfiles.write(out, averaged.module, _card(run, state))


def _card(run: Path, state: dict[str, Any]) -> dict[str, Any]:
    config = OmegaConf.to_container(OmegaConf.load(run / "config.yaml"))
    chunks = config["training"]["chunks"]
    corpus = CodeCorpus(config["data"]["train"])
    return {
        "name": run.name,
        "codec": state["task"]["codec_fingerprint"],
        "data": {
            "codes": corpus.num_codes,
            "clips": len(corpus.clips),
            "speakers": len(set(corpus.speakers)),
        },
        "training": {
            "steps": state["step"],
            "codes_seen": state["step"] * chunks["batch_size"] * chunks["length"],
            "hours_on_the_clock": round(state["seconds"] / 3600, 2),
            "machine": state["machine"],
            "config": config["training"],
        },
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--checkpoint", type=Path, help="the newest of the run by default")
    options = parser.parse_args(arguments)
    try:
        export(options.run, options.out, options.checkpoint)
    except (VqaudioError, OSError, ValueError, KeyError) as error:
        print(f"export_prior: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
