import json

import pytest

from tests.evaluation.conversion.small import SPEAKERS, cut_corpus
from tests.small import small_model
from tests.small_voices import small_voices
from vqaudio.cli.conversion import main
from vqaudio.codec import Codec
from vqaudio.evaluation.metrics import METRICS


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A prepared folder, a codec with voices and one without."""
    root = tmp_path_factory.mktemp("home")
    cut_corpus(root / "corpus" / "train", 0.8, stop=5.0)
    cut_corpus(root / "corpus" / "held-out", 2.5, start=5.0, stop=7.5)
    model = small_voices().model
    Codec(model, {"speakers": [*SPEAKERS, "english/cleo"]}).save(root / "voices" / "model")
    Codec(small_model()).save(root / "plain")
    return root


@pytest.fixture
def arguments(home):
    return [
        *(str(home / "corpus" / "train"), "-m", str(home / "voices" / "model"), "-d", "cpu"),
        *("--target-seconds", "4", "--english", "french"),
    ]


def test_from_codes_to_tables(home, arguments, tmp_path, capsys):
    if reason := METRICS["speaker"].missing():
        pytest.skip(reason)
    report = tmp_path / "report.json"
    more = ["-m", str(home / "plain"), "--tables", "conversion", "-o", str(report)]
    assert main([*arguments, *more]) == 0
    told = json.loads(report.read_text())
    assert list(told["models"]) == ["voices", "plain"]
    systems = told["conversion"]["groups"]["known"]["systems"]
    assert [*systems][1:4] == ["voices, the speaker's own voice", "voices, converted", "plain"]
    assert told["conversion"]["groups"]["known"]["pairs"] == 2
    printed = capsys.readouterr()
    assert "| voices, converted " in printed.out
    assert printed.err == ""

    assert main([*arguments, *more]) == 0
    assert json.loads(report.read_text()) == told


def test_the_probe_alone(home, capsys):
    corpus, plain = str(home / "corpus" / "train"), str(home / "plain")
    alone = ["--tables", "probe", "--target-seconds", "4", "--stretches", "6", "--stretch", "1"]
    assert main([corpus, "-m", plain, *alone]) == 0
    out = capsys.readouterr().out
    assert "which of 2 speakers" in out
    assert "| codes of plain " in out


def test_what_cannot_be_done_is_a_line(home, arguments, tmp_path, capsys):
    corpus = str(home / "corpus" / "train")
    for wrong, said in [
        ([corpus, "-m", str(home / "plain")], "no model is told who shall speak"),
        ([*arguments, "--sources", str(tmp_path)], "is not a prepared corpus"),
        ([*arguments, "-m", str(home / "voices")], "two models are named voices"),
        ([*arguments, "-o", str(tmp_path / "no" / "report.json")], "its folder does not exist"),
        ([str(tmp_path), "-m", str(home / "plain")], "is not a prepared corpus"),
    ]:
        assert main(wrong) == 1
        printed = capsys.readouterr()
        assert said in printed.err
        assert len(printed.err.splitlines()) == 1
        assert printed.out == ""
    with pytest.raises(SystemExit):
        main([*arguments, "--pairs", "0"])
