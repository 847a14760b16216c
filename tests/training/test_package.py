import pytest

from tests.small import small_model
from vqaudio.codec import Codec
from vqaudio.training.package import package


def figures(pesq):
    return {"bitrate": 2300.0, "scores": {"pesq_wb": {"mean": pesq}}, "codebook": None, "clips": []}


SCORECARD = {
    "files": {"count": 3, "sha256": "0"},
    "codecs": {"run": figures(2.0), "codec2-3200": figures(1.5)},
    "groups": {"english": {"run": figures(2.5), "codec2-3200": figures(1.6)}},
}


def test_card_is_completed():
    codec = Codec(small_model(), {"name": "run", "data": {"hours": 1}})
    package(codec, {"name": "released", "data": {"languages": ["en"]}}, SCORECARD)
    assert codec.card["data"] == {"hours": 1, "languages": ["en"]}
    codecs = codec.card["held_out"]["codecs"]
    assert codecs["released"]["scores"]["pesq_wb"]["mean"] == 2.0
    assert "clips" not in codecs["released"]


def test_figures_of_one_group():
    codec = Codec(small_model(), {"name": "run"})
    package(codec, {}, SCORECARD, "english")
    assert codec.card["held_out"]["group"] == "english"
    assert codec.card["held_out"]["codecs"]["run"]["scores"]["pesq_wb"]["mean"] == 2.5
    with pytest.raises(ValueError, match="latin"):
        package(codec, {}, SCORECARD, "latin")


def test_a_scorecard_of_another_model_is_refused():
    codec = Codec(small_model(), {"name": "other"})
    with pytest.raises(ValueError, match="other"):
        package(codec, {}, SCORECARD)
