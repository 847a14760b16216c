"""A prior that a prior's run starts from."""

import sys
from pathlib import Path

from vqaudio import modelfiles
from vqaudio.errors import ModelError
from vqaudio.models.code_model import CodeModel, CodeModelConfig
from vqaudio.models.code_models import code_model
from vqaudio.training import distributed

ITS_MODEL = {"kind": "initial"}
"""In the place of a model's configuration: that of the model to start from."""


def load(folder: str | None, config: CodeModelConfig | None, codec: bytes) -> CodeModel | None:
    """Read the float prior in `folder`, or nothing where it is None.

    config: what it must be, None for anything; codec: fingerprint of the codec whose codes it goes on
    to learn. A line on stderr says if it learned those of another. Raises ModelError when there is no
    such prior.
    """
    if folder is None:
        if config is None:
            raise ModelError("there is no prior to start from: initial=FOLDER")
        return None
    model, card = modelfiles.read(Path(folder), code_model)
    if not isinstance(model, CodeModel):
        raise ModelError(f"{folder} is an integer prior: a run starts from a float one")
    if config not in (None, model.config):
        raise ModelError(
            f"{folder} has another model configuration: model=prior_initial takes it as it is"
        )
    if card.get("codec") != codec.hex() and distributed.is_main():
        learned = card.get("codec", "unknown")
        print(
            f"{folder} learned codes of codec {learned}, these are of {codec.hex()}",
            file=sys.stderr,
        )
    return model
