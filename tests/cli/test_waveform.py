"""Recordings through the paper's decoder, from the command line."""

import json

import pytest
import soundfile

from tests.conftest import SPEECH
from tests.small_waveform import SPEAKERS, small_model
from vqaudio import modelfiles
from vqaudio.cli import waveform as cli
from vqaudio.evaluation.metrics import METRICS


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    card = {"name": "small", "speakers": SPEAKERS, "training": {"steps": 5}}
    modelfiles.write(folder, small_model(), card)
    return folder


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A folder for each speaker, with a stretch of what they say."""
    root = tmp_path_factory.mktemp("tree")
    for path in sorted(SPEECH.glob("*.flac")):
        wave, rate = soundfile.read(path, start=16000, frames=3300)
        folder = root / path.name.split("-")[0]
        folder.mkdir()
        soundfile.write(folder / path.name, wave, rate)
    return root


def run(model, *arguments):
    return cli.main([str(model), *map(str, arguments), "-q"])


def test_real_clips_are_judged_and_drawn(model_folder, tree, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    monkeypatch.chdir(tree.parent)
    fast = {"si_sdr": METRICS["si_sdr"]}
    monkeypatch.setattr("vqaudio.evaluation.waveform_clips.METRICS", fast)
    arguments = ("-o", out, "--draw", 1, "--seconds", 0.1, "--judge")
    assert run(model_folder, tree.name, *arguments) == 0
    told = json.loads((out / "report.json").read_text())
    assert [clip["speaker"] for clip in told["clips"]] == SPEAKERS
    assert [clip["samples"] for clip in told["clips"]] == [1600, 1600]
    assert told["drawing"]["seconds"] == 0.1
    assert told["all"]["bits"] == pytest.approx(sum(c["bits"] for c in told["clips"]) / 2)
    assert f"{told['all']['bits_shuffled']:.3f}" in capsys.readouterr().out
    first = "1455/1455-134435-0000"
    assert told["scores"][first]["si_sdr"] < 10
    assert {p.relative_to(out).as_posix() for p in out.rglob("*.wav")} == {
        f"{first}.original.wav",
        f"{first}.decoded.wav",
    }
    source, _ = soundfile.read(tree / f"{first}.flac", dtype="int16")
    original, rate = soundfile.read(out / f"{first}.original.wav", dtype="int16")
    decoded, _ = soundfile.read(out / f"{first}.decoded.wav", dtype="int16")
    assert rate == 16000
    assert abs(original.astype(int) - source[:1600]).max() <= 1
    assert len(decoded) == 1600
    assert len(set(decoded)) > 30


def test_the_same_again_and_with_another_voice(model_folder, tree, tmp_path):
    clip, name = tree / "1455" / "1455-134435-0000.flac", "1455-134435-0000.decoded.wav"
    for folder, more in (("one", ()), ("two", ()), ("other", ("--speaker", "2414"))):
        assert run(model_folder, clip, "-o", tmp_path / folder, "--seconds", 0.05, *more) == 0
    one, two, other = ((tmp_path / d / name).read_bytes() for d in ("one", "two", "other"))
    assert one == two != other
    told = json.loads((tmp_path / "other" / "report.json").read_text())
    assert told["clips"][0]["speaker"] == "2414"


def test_what_cannot_be_done_is_told_in_a_line(model_folder, tree, tmp_path, capsys):
    clip, out = tree / "1455" / "1455-134435-0000.flac", tmp_path / "out"
    stranger, broken = tmp_path / "clip.flac", tmp_path / "1455" / "broken.flac"
    stranger.write_bytes(clip.read_bytes())
    broken.parent.mkdir()
    broken.write_bytes(b"no sound")
    same = tmp_path / "2414" / clip.name
    same.parent.mkdir()
    same.write_bytes(clip.read_bytes())
    for arguments, message in (
        ((stranger,), "nobody is named"),
        ((stranger, "--speaker", "me"), "me is not one of them"),
        ((broken,), "cannot be read as audio"),
        ((tmp_path / "nothing.wav",), "No such file"),
        ((out.parent / "1455",), "cannot be read"),
        ((clip, same), "would be called"),
    ):
        assert run(model_folder, *arguments, "-o", out) == 1
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
        assert not out.exists()
    assert run(tmp_path, clip, "-o", out) == 1
    assert "no model here" in capsys.readouterr().err


def test_what_is_there_is_kept_and_a_broken_file_does_not_stop_the_rest(
    model_folder, tree, tmp_path, capsys
):
    clip, out = tree / "1455" / "1455-134435-0000.flac", tmp_path / "out"
    missing = tmp_path / "nothing.wav"
    small = ("-o", out, "--seconds", 0.01)
    assert run(model_folder, missing, clip, *small) == 1
    assert "No such file" in capsys.readouterr().err
    before = (out / "report.json").read_bytes()
    assert run(model_folder, clip, *small) == 1
    assert "exists already" in capsys.readouterr().err
    assert (out / "report.json").read_bytes() == before
    assert run(model_folder, clip, *small, "-f") == 0
