"""From a run of the paper's model to a model that can be used: averaged weights and a card of the run.

    python -m vqaudio.training.export_waveform RUN OUT [--checkpoint FILE]

RUN is what vqaudio-train --config-name train_waveform had as output=. OUT gets model.safetensors and
card.json, in which `speakers` names those that the decoder is told, in the order of their numbers.
`read` gets both back.
"""

import os
import sys
from pathlib import Path
from typing import Any

from vqaudio import modelfiles
from vqaudio.data.manifest import Corpus
from vqaudio.models.waveform_vqvae import WaveformVQVAE, WaveformVQVAEConfig
from vqaudio.training.export import (
    averaged_weights,
    command,
    load_state,
    run_config,
    training_entry,
)


def export(run: Path, out: Path, path: Path | None = None) -> None:
    """Write the averaged weights of a checkpoint (the newest by default), with a card of the run."""
    state = load_state(run, path)
    task = state["task"]
    modelfiles.write(out, averaged_weights(_build(task["model_config"]), task), _card(run, state))


def read(folder: str | os.PathLike) -> tuple[WaveformVQVAE, dict[str, Any]]:
    """The model of a folder, for work, and its card. Raises ModelError where there is none."""
    model, card = modelfiles.read(folder, _build)
    return model.eval(), card


def _build(config: dict[str, Any]) -> WaveformVQVAE:
    return WaveformVQVAE(WaveformVQVAEConfig.from_dict(config))


def _card(run: Path, state: dict[str, Any]) -> dict[str, Any]:
    config = run_config(run)
    crops = config["training"]["crops"]
    heard = state["step"] * crops["batch_size"] * crops["seconds"] / 3600
    corpus = Corpus(config["data"]["train"])
    told = state["task"]["model_config"]["decoder"]["speakers"] > 0
    return {
        "name": run.name,
        "data": {"hours": round(corpus.hours, 2), "clips": len(corpus.clips)},
        "speakers": state["task"]["speakers"] if told else [],
        "training": training_entry(state, config, hours_of_audio_heard=round(heard, 2)),
    }


def main(arguments: list[str] | None = None) -> int:
    return command("export_waveform", __doc__.split("\n")[0], export, arguments)


if __name__ == "__main__":
    sys.exit(main())
