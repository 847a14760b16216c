from dataclasses import dataclass

import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from vqaudio.config import config_directory, from_dict
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
    for group in ("loop", "crops", "loss", "optimizer", "codebook", "discriminators"):
        assert values[group].keys() == given[group].keys()
    model = yaml.safe_load((config_directory() / "model/speech64.yaml").read_text())
    assert VQVAEConfig.from_dict(model) == VQVAEConfig()


@pytest.mark.parametrize(
    "overrides",
    [[], ["model=speech128"], ["training=codec_gan"], ["experiment=speech64"]],
)
def test_configurations_compose(overrides):
    data = ["data.train=a", "data.held_out=b", "output=c"]
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        cfg = compose("train", overrides + data, return_hydra_config=False)
    values = OmegaConf.to_container(cfg, resolve=True)
    VQVAEConfig.from_dict(values["model"])
    from_dict(CodecTrainingConfig, values["training"])
