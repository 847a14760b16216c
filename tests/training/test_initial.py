import pytest
import torch

from tests.small import ONE_CODE_A_FRAME, SMALL, small_model
from vqaudio.codec import Codec
from vqaudio.errors import ModelError
from vqaudio.models.discriminators import DiscriminatorConfig, Discriminators
from vqaudio.training import initial

CRITICS = DiscriminatorConfig((2, 3), (4, 4), (256,), 4)
CRITICS_JSON = {"periods": [2, 3], "period_widths": [4, 4], "windows": [256], "stft_width": 4}


@pytest.fixture
def release(tmp_path):
    """A folder with a model and its discriminators; both as modules."""
    model, critics = small_model(), Discriminators(CRITICS)
    Codec(model).save(tmp_path)
    initial.save_discriminators(tmp_path, CRITICS_JSON, critics.state_dict())
    return tmp_path, model, critics


def close(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name in ours:  # both are rounded to float16 in the release
        torch.testing.assert_close(ours[name].float(), theirs[name], rtol=1e-3, atol=1e-4)


def test_codec_and_discriminators_come_back(release):
    folder, model, critics = release
    start = initial.load(str(folder), SMALL, CRITICS)
    assert start.complete
    close(start.weights, model.state_dict())
    close(start.discriminators, critics.state_dict())


def test_a_packaged_model_by_name():
    from vqaudio import load_codec

    codec = load_codec("speech64")
    start = initial.load("speech64", codec.model.config, None)
    assert start.complete
    assert torch.equal(start.weights["quantizer.codebook"], codec.model.quantizer.codebook)


def test_other_discriminators_start_fresh(release):
    folder, *_ = release
    assert initial.load(str(folder), SMALL, None).discriminators is None
    other = DiscriminatorConfig((2, 5), (4, 4), (256,), 4)
    assert initial.load(str(folder), SMALL, other).discriminators is None
    (folder / initial.CRITICS).unlink()
    assert initial.load(str(folder), SMALL, CRITICS).discriminators is None


def test_of_another_configuration_what_fits(release):
    folder, model, _ = release
    with pytest.raises(ModelError, match="initial_part"):
        initial.load(str(folder), ONE_CODE_A_FRAME, None)
    start = initial.load(str(folder), ONE_CODE_A_FRAME, None, part=True)
    assert not start.complete
    assert "quantizer.codebook" not in start.weights  # it belongs to the other encoder
    assert "decoder.embed.weight" not in start.weights  # two codes side by side, there one
    name = "decoder.blocks.0.up.weight"
    torch.testing.assert_close(start.weights[name], model.state_dict()[name], rtol=1e-3, atol=1e-4)


def test_damage_is_one_line(release):
    folder, *_ = release
    data = (folder / initial.CRITICS).read_bytes()
    (folder / initial.CRITICS).write_bytes(data[:100])
    with pytest.raises(ModelError, match="damaged"):
        initial.load(str(folder), SMALL, CRITICS)
