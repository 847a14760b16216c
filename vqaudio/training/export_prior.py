"""From a prior's training run to a model that can be used: averaged weights and a card of the run.

    python -m vqaudio.training.export_prior RUN OUT [--checkpoint FILE]

RUN is what vqaudio-train had as output=. OUT gets model.safetensors and card.json, in which `codec` is
the fingerprint of the codec whose codes the prior learned: it is of use for those alone.
"""

import sys
from pathlib import Path
from typing import Any

from vqaudio import modelfiles
from vqaudio.data.chunks import CodeCorpus
from vqaudio.models.code_model import CodeModel, CodeModelConfig
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
    model = averaged_weights(CodeModel(CodeModelConfig.from_dict(task["model_config"])), task)
    modelfiles.write(out, model, _card(run, state))


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
