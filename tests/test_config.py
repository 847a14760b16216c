from dataclasses import dataclass

import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from vqaudio.config import config_directory, differences, from_dict
from vqaudio.models.vqvae import VQVAEConfig
from vqaudio.training.codec import CodecTrainingConfig


@dataclass(frozen=True)
class Inner:
    sizes: tuple[int, ...] = (1, 2)


@dataclass(frozen=True)
class Outer:
    rate: float = 1.0
    inner: Inner = Inner()


def test_nested_and_tuples():
    assert from_dict(Outer, {"rate": 2, "inner": {"sizes": [3]}}) == Outer(2, Inner((3,)))


@pytest.mark.parametrize("values", [{"rat": 1}, {"inner": {"size": [1]}}, {"rate": "fast"}])
def test_mistakes_are_one_line(values):
    with pytest.raises(ValueError, match=r"rat|size") as caught:
        from_dict(Outer, values)
    assert "\n" not in str(caught.value)


def test_yaml_mirrors_the_dataclasses():
    """The files that users read say what the code does: every key, the same values."""
    values = yaml.safe_load((config_directory() / "training/codec.yaml").read_text())
    ours = from_dict(CodecTrainingConfig, values)
    assert ours == CodecTrainingConfig()
    given = OmegaConf.to_container(OmegaConf.structured(CodecTrainingConfig))
    assert values.keys() == given.keys()
    for group in (
        "loop",
        "crops",
        "perturbation",
        "loss",
        "optimizer",
        "codebook",
        "discriminators",
    ):
        assert values[group].keys() == given[group].keys()
    model = yaml.safe_load((config_directory() / "model/speech64.yaml").read_text())
    assert VQVAEConfig.from_dict(model) == VQVAEConfig()


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["model=speech128"],
        ["experiment=speech64"],
        ["experiment=voices64"],
        ["experiment=phonemes640-voices"],
    ],
)
def test_configurations_compose(overrides):
    compose_both(overrides)


def test_adversarial_configuration_is_adversarial():
    assert compose_both(["training=codec_gan"])[1].adversarial_from == 50_000
    assert compose_both([])[1].adversarial_from is None


def test_differences_name_what_changed():
    old, new = {"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 1, "c": 4}, "d": 3, "e": 5}
    assert differences(old, new) == ["a.c: 2 -> 4", "e: None -> 5"]


def compose_both(overrides):
    data = ["data.train=a", "data.held_out=b", "output=c"]
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        cfg = compose("train", overrides + data, return_hydra_config=False)
    values = OmegaConf.to_container(cfg, resolve=True)
    training = from_dict(CodecTrainingConfig, values["training"])
    return VQVAEConfig.from_dict(values["model"]), training
