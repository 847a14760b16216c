import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.small import small_model
from vqaudio.audio import find
from vqaudio.cli.evaluate import main
from vqaudio.codec import Codec
from vqaudio.errors import VqaudioError
from vqaudio.evaluation.metrics import METRICS
from vqaudio.evaluation.peers import PEERS, CommandPeer, FunctionPeer, mulaw_decode, mulaw_encode
from vqaudio.evaluation.scorecard import CodecCoder, hash_files, interval, scorecard
from vqaudio.evaluation.table import table

GONE = CommandPeer("gone", "no-such-program", "no-such-program", 8000, 1)


@pytest.fixture(scope="module")
def folder(speech, tmp_path_factory):
    """Two short clips of speech, one of them stereo at 44.1 kHz, and a file that is no audio."""
    root = tmp_path_factory.mktemp("speech")
    wave, rate = speech
    soundfile.write(root / "a.wav", wave[: 2 * rate].numpy(), rate)
    (root / "sub").mkdir()
    stereo = np.stack([wave[2 * rate : 4 * rate].numpy()] * 2, axis=1)
    soundfile.write(root / "sub" / "b.flac", stereo, 44100)
    (root / "notes.txt").write_text("not audio")
    return root


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    directory = tmp_path_factory.mktemp("model")
    Codec(small_model()).save(directory)
    return directory


@pytest.fixture(scope="module")
def report(folder, model):
    ours = CodecCoder(Codec.load(model), "tiny")
    return scorecard([ours, PEERS["mulaw"], GONE], folder)


def test_report(report):
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert list(report["codecs"]) == ["tiny", "mulaw"]
    assert report["missing"] == {"gone": "no-such-program is not installed"}
    assert report["failed"] == []
    for codec in report["codecs"].values():
        assert [clip["path"] for clip in codec["clips"]] == ["a.wav", "sub/b.flac"]
        assert codec["encode_rtf"] > 0
        for name in METRICS:
            scores = codec["scores"][name]
            assert scores["low"] <= scores["mean"] <= scores["high"]
    assert report["versions"]["torch"]


def test_every_byte_of_our_files_is_counted(report, folder, model, tmp_path):
    codec = Codec.load(model)
    clip = report["codecs"]["tiny"]["clips"][0]
    wave, rate = soundfile.read(folder / "a.wav", dtype="float32")
    codec.encode(wave, rate).save(tmp_path / "a.vqc")
    assert clip["bytes"] == (tmp_path / "a.vqc").stat().st_size
    ours = report["codecs"]["tiny"]
    assert ours["nominal"] == 2250
    assert 2250 < ours["bitrate"] < 2700
    total = sum(clip["bytes"] for clip in ours["clips"])
    assert ours["bitrate"] == pytest.approx(8 * total / ours["seconds"])


def test_codebook_use(report):
    book = report["codecs"]["tiny"]["codebook"]
    assert book["size"] == 512
    assert 0 < book["used"] <= 1
    assert 1 <= book["perplexity"] <= 512 * book["used"]
    assert report["codecs"]["mulaw"]["codebook"] is None


def test_the_anchor_is_better_than_random_weights(report):
    for name, metric in METRICS.items():
        ours, anchor = (report["codecs"][key]["scores"][name]["mean"] for key in ("tiny", "mulaw"))
        assert (anchor > ours) == metric.higher_is_better


def test_table(report):
    lines = table(report).splitlines()
    assert lines[0].split()[0] == "codec"
    assert [line.split()[0] for line in lines[1:5:2]] == ["tiny", "mulaw"]
    assert "gone: skipped, no-such-program is not installed" in lines


def test_another_process_scores_the_same(report, folder, model, tmp_path):
    shutil.copy(folder / "a.wav", tmp_path)
    again = scorecard([CodecCoder(Codec.load(model), "tiny")], tmp_path, jobs=2)
    (clip,) = again["codecs"]["tiny"]["clips"]
    wanted = dict(report["codecs"]["tiny"]["clips"][0])
    assert clip.pop("path") == wanted.pop("path")
    assert clip == pytest.approx(wanted, rel=0.02)


def test_silence_and_broken_files(folder, tmp_path):
    shutil.copy(folder / "a.wav", tmp_path)
    soundfile.write(tmp_path / "silence.wav", np.zeros(16000), 16000)
    (tmp_path / "broken.wav").write_bytes(b"RIFF nonsense")
    told = []
    report = scorecard([PEERS["mulaw"]], tmp_path, on_clip=lambda *what: told.append(what))
    assert [path.name for _, path, error in told if error] == ["broken.wav"]
    assert [failure["path"] for failure in report["failed"]] == ["broken.wav"]
    scores = report["codecs"]["mulaw"]["scores"]
    assert scores["pesq_wb"]["clips"] == 1
    assert "mulaw: PESQ-WB is not defined for 1 clips" in table(report)
    json.dumps(report, allow_nan=False)


def test_a_clip_that_comes_back_cut_is_not_scored(folder):
    half = FunctionPeer("half", mulaw_encode, lambda data: mulaw_decode(data[: len(data) // 2]), 1)
    report = scorecard([half], folder)
    assert report["codecs"]["half"]["clips_scored"] == 0
    assert report["codecs"]["half"]["bitrate"] is None
    assert report["failed"][0]["error"] == "1.00 s of the clip are missing from what was decoded"
    assert "half" in table(report)


def test_no_clips_and_equal_names(tmp_path, folder):
    with pytest.raises(VqaudioError, match="no audio"):
        scorecard([PEERS["mulaw"]], tmp_path)
    with pytest.raises(VqaudioError, match="same name"):
        scorecard([PEERS["mulaw"]] * 2, folder)


def test_the_hash_tells_files_apart(folder, tmp_path):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / ".hidden").mkdir()
    shutil.copy(folder / "a.wav", tmp_path / ".hidden")
    before = hash_files(folder, find(folder))
    assert hash_files(tmp_path, find(tmp_path)) == before
    (tmp_path / "a.wav").rename(tmp_path / "c.wav")
    assert hash_files(tmp_path, find(tmp_path)) != before


def test_models_of_one_name_are_told_apart(tmp_path, capsys):
    """By their fingerprints; a model that is given twice is measured once."""
    soundfile.write(tmp_path / "a.wav", np.zeros(800), 16000)
    codecs = [Codec(small_model(seed)) for seed in (0, 0, 1)]
    names = ["speech", "again", "speech"]
    arguments = ["--peers", "", "-o", str(tmp_path / "report.json"), str(tmp_path)]
    for number, (codec, name) in enumerate(zip(codecs, names, strict=True)):
        codec.save(tmp_path / str(number), {"name": name})
        arguments += ["-m", str(tmp_path / str(number))]
    assert main(arguments) == 0
    hexes = [Codec.load(tmp_path / number).fingerprint.hex()[:8] for number in ("0", "2")]
    report = json.loads((tmp_path / "report.json").read_text())
    assert list(report["codecs"]) == [f"speech {digits}" for digits in hexes]
    assert f"speech {hexes[1]}" in capsys.readouterr().out


def test_a_name_is_one_line_and_no_peers(tmp_path, capsys):
    soundfile.write(tmp_path / "a.wav", np.zeros(800), 16000)
    for name, shown in (("a\nb", "a?b"), ("mulaw", "mulaw ")):
        Codec(small_model()).save(tmp_path / "model", {"name": name})
        assert main(["-m", str(tmp_path / "model"), str(tmp_path)]) == 0
        assert capsys.readouterr().out.splitlines()[1].startswith(shown)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_table_that_cannot_be_printed_is_one_line(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(800), 16000)
    words = [sys.executable, "-m", "vqaudio.cli.evaluate", "-m", "none", "-p", "mulaw"]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*words, "-o", str(tmp_path / "report.json"), str(tmp_path)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 1
    assert done.stderr == "vqaudio-evaluate: standard output: No space left on device\n"
    assert (tmp_path / "report.json").exists()


def test_interval():
    values = np.random.default_rng(1).standard_normal(400)
    low, high = interval(values)
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 / 20, rel=0.15)
    assert interval([3.0]) == (3.0, 3.0)


def test_command(folder, model, tmp_path, capsys):
    out = tmp_path / "report.json"
    assert main(["-m", str(model), "--peers", "mulaw", "-o", str(out), str(folder)]) == 0
    printed = capsys.readouterr()
    assert "mulaw" in printed.out
    assert printed.err == ""
    assert set(json.loads(out.read_text())["codecs"]) == {model.name, "mulaw"}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--peers", "nonsense", "."], 2, "unknown peer nonsense"),
        (["-m", "none", "--peers", "", "."], 2, "no model and no peer"),
        (["-j", "0", "."], 2, "at least 1"),
        ([], 2, "AUDIO_DIR"),
        (["-m", "no-such-model", "."], 1, "no-such-model"),
        (["-m", "none", "no-such-folder"], 1, "no-such-folder: not a folder"),
        (["-m", "none", "-o", "nowhere/report.json", "."], 1, "folder does not exist"),
    ],
)
def test_wrong_usage_and_bad_input(arguments, code, said, capsys):
    try:
        status = main(arguments)
    except SystemExit as stop:
        status = stop.code
    assert status == code
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


def test_a_broken_clip_exits_1_with_one_line(folder, tmp_path, capsys):
    shutil.copy(folder / "a.wav", tmp_path)
    (tmp_path / "broken.wav").write_bytes(b"nonsense")
    assert main(["-m", "none", "--peers", "mulaw", str(tmp_path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"vqaudio-evaluate: {tmp_path / 'broken.wav'}: mulaw: ")
