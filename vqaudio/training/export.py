"""From a training run to a model that can be shipped: averaged weights and their card.

    python -m vqaudio.training.export RUN OUT [--checkpoint FILE] [--about JSON] [--scorecard JSON]

RUN is what vqaudio-train had as output=. OUT gets model.safetensors and card.json. The card says what
the run itself knows (steps, hours, data, machine); `--about` adds what only a person knows (name,
licences, languages), `--scorecard` the figures of a vqaudio-evaluate report.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf

from vqaudio.codec import Codec
from vqaudio.data.manifest import Corpus
from vqaudio.errors import ModelError, VqaudioError
from vqaudio.models.vqvae import VQVAE, VQVAEConfig
from vqaudio.training import checkpoint
from vqaudio.training.checkpoint import Checkpoints


def export(run: Path, path: Path | None = None) -> Codec:
    """The averaged weights of a checkpoint (the newest by default), with a card of the run."""
    path = path or Checkpoints(run / "checkpoints").latest()
    if path is None:
        raise ModelError(f"{run} holds no checkpoint")
    state = checkpoint.load(path)
    task = state["task"]
    model = VQVAE(VQVAEConfig.from_dict(task["model_config"]))
    averaged = torch.optim.swa_utils.AveragedModel(model)
    averaged.load_state_dict(task["averaged"])
    return Codec(averaged.module, _card(run, model.config, state))


def _card(run: Path, model: VQVAEConfig, state: dict[str, Any]) -> dict[str, Any]:
    config = OmegaConf.to_container(OmegaConf.load(run / "config.yaml"))
    crops = config["training"]["crops"]
    heard = state["step"] * crops["batch_size"] * crops["seconds"] / 3600
    corpus = Corpus(config["data"]["train"])
    return {
        "name": run.name,
        "data": {
            "hours": round(corpus.hours, 2),
            "clips": len(corpus.clips),
            "speakers": len({clip.speaker for clip in corpus.clips}),
        },
        "training": {
            "steps": state["step"],
            "hours_of_audio_heard": round(heard, 2),
            "hours_on_the_clock": round(state["seconds"] / 3600, 2),
            "machine": state["machine"],
            "config": config["training"],
        },
    }


def _figures(report: Path) -> dict[str, Any]:
    """The means of a scorecard, without its clips."""
    report = json.loads(report.read_text())
    wanted = ("bitrate", "scores", "codebook")
    codecs = {name: {key: c[key] for key in wanted} for name, c in report["codecs"].items()}
    return {"files": report["files"], "codecs": codecs}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--checkpoint", type=Path, help="the newest of the run by default")
    parser.add_argument("--about", type=Path, help="JSON whose entries are merged into the card")
    parser.add_argument("--scorecard", type=Path, help="a report of vqaudio-evaluate -o")
    options = parser.parse_args(arguments)
    try:
        codec = export(options.run, options.checkpoint)
        about = json.loads(options.about.read_text()) if options.about else {}
        data = codec.card["data"] | about.pop("data", {})
        card = about | {"data": data}
        if options.scorecard:
            card["held_out"] = _figures(options.scorecard)
        codec.save(options.out, card)
    except (VqaudioError, OSError, ValueError, KeyError) as error:
        print(f"export: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
