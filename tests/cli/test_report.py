"""The tables of a report, again and without speeds."""

import json
import shutil

import pytest

from tests.evaluation.cheap import cheap_metrics
from tests.small import small_model
from tests.small_voices import small_voices
from vqaudio.cli import evaluate, report
from vqaudio.codec import Codec


@pytest.fixture(autouse=True)
def cheap():
    with cheap_metrics():
        yield


def test_tables_of_a_scorecard(speech_path, tmp_path, capsys):
    Codec(small_model(), {"name": "tiny"}).save(tmp_path / "model")
    (tmp_path / "audio").mkdir()
    shutil.copy(speech_path, tmp_path / "audio/a.flac")
    arguments = ["-m", str(tmp_path / "model"), "-p", "mulaw", "-j", "1", "-q"]
    arguments += ["-o", str(tmp_path / "report.json"), str(tmp_path / "audio")]
    assert evaluate.main(arguments) == 0
    before = capsys.readouterr().out
    values = json.loads((tmp_path / "report.json").read_text())
    assert report.main([str(tmp_path / "report.json")]) == 0
    told = capsys.readouterr().out
    assert "encode RTF" in before
    assert "RTF" not in told
    columns = len(told.splitlines()[1])
    assert columns < len(before.splitlines()[1])
    for line, whole in zip(told.splitlines(), before.splitlines(), strict=True):
        assert whole.startswith(line)

    for codec in values["codecs"].values():
        codec["encode_rtf"] *= 2
    (tmp_path / "slower.json").write_text(json.dumps(values))
    assert report.main([str(tmp_path / "slower.json")]) == 0
    assert capsys.readouterr().out == told


@pytest.mark.parametrize("text", ["{}", "[1]", "no JSON"])
def test_what_is_no_report_is_one_line(text, tmp_path, capsys):
    (tmp_path / "report.json").write_text(text)
    assert report.main([str(tmp_path / "report.json")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_codec_with_voices_is_told_whose_clip_it_is(speech_path, tmp_path, capsys):
    small_voices().save(tmp_path / "model")
    for folder in ("ben/one", "nobody"):
        (tmp_path / "audio" / folder).mkdir(parents=True)
        shutil.copy(speech_path, tmp_path / "audio" / folder / "a.flac")
    arguments = ["-m", str(tmp_path / "model"), "-p", "none", "-j", "1", "-q"]
    arguments += ["-o", str(tmp_path / "report.json"), str(tmp_path / "audio")]
    assert evaluate.main(arguments) == 1
    values = json.loads((tmp_path / "report.json").read_text())
    assert [clip["path"] for clip in values["codecs"]["voices"]["clips"]] == ["ben/one/a.flac"]
    assert [failure["path"] for failure in values["failed"]] == ["nobody/a.flac"]
    assert "has to be told a speaker" in values["failed"][0]["error"]
