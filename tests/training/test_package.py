import json

import pytest

from tests.small import small_model
from tests.small_prior import FINGERPRINT, small_integer_prior
from vqaudio.codec import Codec
from vqaudio.prior import Prior
from vqaudio.training.package import main, package


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


def prior_scorecard(prior: Prior) -> dict:
    bits = {"mean": 7.1, "low": 7.0, "high": 7.2, "clips": 3, "groups": {".": 7.1}}
    coded = {"bitrate": 1800.0, "bits_per_code": 7.2, "saving": {"mean": 0.2}, "overhead": 0.001}
    return {
        "files": {"count": 3, "sha256": "0"},
        "train": {"codes": 1000, "clips": 10},
        "priors": {"run": {"name": prior.name}, "float": {"name": "float (00)"}},
        "bits_per_code": {"uniform": {"mean": 9.0}, "run": bits, "float": bits},
        "coded": {"packed": {"bitrate": 2250.0, "overhead": None}, "run": coded},
    }


@pytest.fixture
def prior() -> Prior:
    return Prior(small_integer_prior(), {"name": "run", "codec": FINGERPRINT.hex()})


def test_a_prior_is_packaged(prior, tmp_path):
    prior.save(tmp_path / "model")
    (tmp_path / "about.json").write_text('{"name": "x", "code_licence": "Apache-2.0"}')
    (tmp_path / "scorecard.json").write_text(json.dumps(prior_scorecard(prior)))
    files = [f"--{option}={tmp_path / option}.json" for option in ("about", "scorecard")]
    out = tmp_path / "out"
    assert main([str(tmp_path / "model"), str(out), "--name", "speech-prior", *files]) == 0
    released = Prior.load(out)
    assert released.fingerprint == prior.fingerprint
    assert released.codec == FINGERPRINT
    assert released.card["name"] == "speech-prior"
    assert released.card["code_licence"] == "Apache-2.0"
    held_out = released.card["held_out"]
    assert held_out["bits_per_code"]["speech-prior"] == {"mean": 7.1, "low": 7.0, "high": 7.2}
    assert held_out["coded"]["speech-prior"]["bitrate"] == 1800.0
    assert set(held_out["bits_per_code"]) == {"uniform", "speech-prior", "float"}


def test_a_scorecard_of_another_prior_is_refused(prior, tmp_path, capsys):
    """Also where it has the same name."""
    other = Prior(small_integer_prior(seed=1), prior.card)
    with pytest.raises(ValueError, match=other.fingerprint.hex()):
        package(other, {}, prior_scorecard(prior))
    with pytest.raises(ValueError, match="group"):
        package(prior, {}, prior_scorecard(prior), "english")
    with pytest.raises(ValueError, match="no figures of"):
        package(prior, {}, SCORECARD)
    assert "held_out" not in prior.card
    for folder in (tmp_path / "nothing", tmp_path):
        assert main([str(folder), str(tmp_path / "out")]) == 1
        assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out").exists()
