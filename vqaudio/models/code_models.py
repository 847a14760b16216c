"""A model of codes, of either kind, from its configuration as a card has it."""

from typing import Any

from vqaudio.models.code_model import CodeModel, CodeModelConfig
from vqaudio.models.integer import IntegerCodeModel, IntegerCodeModelConfig


def code_model(config: dict[str, Any]) -> CodeModel | IntegerCodeModel:
    """The model, its weights not yet loaded. Raises ValueError, in one line, for what is no
    configuration of a prior."""
    if not isinstance(config.get("network", {}), dict):
        raise ValueError("network of a prior's configuration must be a dictionary")
    if config.get("kind") == IntegerCodeModelConfig.kind:
        return IntegerCodeModel(IntegerCodeModelConfig.from_dict(config))
    return CodeModel(CodeModelConfig.from_dict(config))
