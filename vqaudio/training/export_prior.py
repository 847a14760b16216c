"""From a prior's training run to a model that can be used: averaged weights and a card of the run.

    python -m vqaudio.training.export_prior RUN OUT [--checkpoint FILE]

RUN is what vqaudio-train had as output=. OUT gets model.safetensors and card.json, in which `codec` is
the fingerprint of the codec whose codes the prior learned: it is of use for those alone. A run with
training=prior_integer gives an integer prior, which takes a quarter of the space.
"""

import sys
from pathlib import Path
from typing import Any

from vqaudio import modelfiles
from vqaudio.data.chunks import CodeCorpus
from vqaudio.models.code_model import CodeModel, CodeModelConfig
from vqaudio.models.integer import IntegerCodeModel, IntegerCodeModelConfig
from vqaudio.training.export import (
    averaged_weights,
    command,
    load_state,
    run_config,
    training_entry,
)
from vqaudio.training.quantise import QuantisedCodeModel


def export(run: Path, out: Path, path: Path | None = None) -> None:
    """Write the averaged weights of a checkpoint (the newest by default), with a card of the run."""
    state = load_state(run, path)
    task = state["task"]
    modelfiles.write(out, _model(task), _card(run, state))


def _model(task: dict[str, Any]) -> CodeModel | IntegerCodeModel:
    config = task["model_config"]
    if config.get("kind") != IntegerCodeModelConfig.kind:
        return averaged_weights(CodeModel(CodeModelConfig.from_dict(config)), task)
    learned = QuantisedCodeModel(IntegerCodeModelConfig.from_dict(config))
    return averaged_weights(learned, task).frozen()


def _card(run: Path, state: dict[str, Any]) -> dict[str, Any]:
    config = run_config(run)
    chunks = config["training"]["chunks"]
    corpus = CodeCorpus(config["data"]["train"])
    seen = state["step"] * chunks["batch_size"] * chunks["length"]
    return {
        "name": run.name,
        "codec": state["task"]["codec_fingerprint"],
        "data": {
            "codes": corpus.num_codes,
            "clips": len(corpus.clips),
            "speakers": len(set(corpus.speakers)),
        },
        "training": training_entry(state, config, codes_seen=seen),
    }


def main(arguments: list[str] | None = None) -> int:
    return command("export_prior", __doc__.split("\n")[0], export, arguments)


if __name__ == "__main__":
    sys.exit(main())
