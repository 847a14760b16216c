import json
import math
import os
import shutil

import numpy as np
import pytest
import soundfile

from tests.evaluation.cheap import CHEAP, cheap_metrics, constant
from tests.small import small_model
from vqaudio.audio import find
from vqaudio.codec import Codec
from vqaudio.errors import VqaudioError
from vqaudio.evaluation import judging
from vqaudio.evaluation.coding import CodecCoder
from vqaudio.evaluation.metrics import METRICS
from vqaudio.evaluation.peers import PEERS, CommandPeer, FunctionPeer
from vqaudio.evaluation.provenance import hash_files
from vqaudio.evaluation.scorecard import scorecard
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
def ours():
    return CodecCoder(Codec(small_model()), "tiny")


@pytest.fixture(scope="module")
def report(folder, ours, tmp_path_factory):
    recordings = tmp_path_factory.mktemp("recordings")
    loud = constant(1.0, weight=lambda reference: float(len(reference)), label="one")
    absent = constant(1.0)
    object.__setattr__(absent, "missing", lambda: "it is not installed")
    with cheap_metrics(loud=loud, absent=absent):
        return scorecard([ours, PEERS["mulaw"], GONE], folder, recordings)


def test_report(report):
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert list(report["codecs"]) == ["tiny", "mulaw"]
    assert report["missing"] == {"gone": "no-such-program is not installed"}
    assert report["failed"] == []
    for codec in report["codecs"].values():
        assert [clip["path"] for clip in codec["clips"]] == ["a.wav", "sub/b.flac"]
        assert codec["encode_rtf"] > 0
        for name in CHEAP:
            scores = codec["scores"][name]
            assert scores["low"] <= scores["mean"] <= scores["high"]
    for package in ("python", "torch", "pystoi", "tiny"):
        assert report["versions"][package]


def test_metrics_say_what_they_are(report):
    assert list(report["metrics"]) == [*CHEAP, "loud"]
    about = {"label": "ESTOI", "higher_is_better": True, "digits": 3, "worst": 0.0}
    assert report["metrics"]["estoi"] == about
    assert report["metrics_missing"] == {"absent": "it is not installed"}
    assert "absent" not in report["codecs"]["tiny"]["scores"]


def test_every_byte_of_our_files_is_counted(report, folder, ours, tmp_path):
    clip = report["codecs"]["tiny"]["clips"][0]
    wave, rate = soundfile.read(folder / "a.wav", dtype="float32")
    ours.codec.encode(wave, rate).save(tmp_path / "a.vqc")
    assert clip["bytes"] == (tmp_path / "a.vqc").stat().st_size
    tiny = report["codecs"]["tiny"]
    assert tiny["nominal"] == 2250
    assert 2250 < tiny["bitrate"] < 2700
    total = sum(clip["bytes"] for clip in tiny["clips"])
    assert tiny["bitrate"] == pytest.approx(8 * total / tiny["seconds"])


def test_weights_are_those_of_the_clips(report):
    first, second = report["codecs"]["mulaw"]["clips"]
    assert first["weights"] == {"loud": 32000.0}
    assert second["weights"] == {"loud": pytest.approx(16000 * second["seconds"], rel=0.01)}
    assert report["codecs"]["mulaw"]["scores"]["loud"]["mean"] == 1.0


def test_groups_are_by_first_folder(report, folder, ours, tmp_path):
    assert list(report["groups"]) == [".", "sub"]
    (clip,) = [c for c in report["codecs"]["tiny"]["clips"] if c["path"] == "sub/b.flac"]
    group = report["groups"]["sub"]["tiny"]
    assert group["scores"]["estoi"]["mean"] == clip["estoi"]
    assert group["bitrate"] == pytest.approx(8 * clip["bytes"] / clip["seconds"])
    assert group["clips_scored"] == 1
    with cheap_metrics():
        alone = scorecard([PEERS["mulaw"]], folder / "sub", tmp_path)
    assert alone["groups"] == {}


def test_the_first_codec_is_compared_with_the_others(report):
    differences = report["differences"]
    assert differences["first"] == "tiny"
    assert list(differences["others"]) == ["mulaw"]
    tiny, anchor = (report["codecs"][name]["scores"]["estoi"]["mean"] for name in ("tiny", "mulaw"))
    gap = differences["others"]["mulaw"]["estoi"]
    assert gap["mean"] == pytest.approx(tiny - anchor)
    assert gap["low"] <= gap["mean"] <= gap["high"]
    assert gap["clips"] == 2
    assert list(differences["groups"]) == [".", "sub"]
    assert differences["groups"]["sub"]["mulaw"]["estoi"]["clips"] == 1


def test_codebook_use(report):
    book = report["codecs"]["tiny"]["codebook"]
    assert book["size"] == 512
    assert 0 < book["used"] <= 1
    assert 1 <= book["perplexity"] <= 512 * book["used"]
    assert report["codecs"]["mulaw"]["codebook"] is None


def test_the_anchor_is_better_than_random_weights(report):
    for name in CHEAP:
        tiny, anchor = (report["codecs"][key]["scores"][name]["mean"] for key in ("tiny", "mulaw"))
        assert (anchor > tiny) == METRICS[name].higher_is_better


def test_other_processes_judge_the_same(report, folder, ours, tmp_path):
    told = []
    with cheap_metrics():
        again = scorecard([ours, PEERS["mulaw"]], folder, tmp_path, 2, told.append)
    for name, codec in again["codecs"].items():
        for clip, wanted in zip(codec["clips"], report["codecs"][name]["clips"], strict=True):
            assert clip == {
                key: pytest.approx(value, rel=0.02) if key in CHEAP else value
                for key, value in (wanted | {"weights": {}}).items()
                if key != "loud"
            }
    assert [p.done for p in told if p.stage == "coding"] == [0, 1, 2, 3, 4]
    assert [p.done for p in told if p.stage == "judging"][-1] == 4


def _die(*_):
    os._exit(1)


def test_a_process_that_dies_is_told_in_words(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(judging, "judge", _die)
    with cheap_metrics(), pytest.raises(VqaudioError, match="has died"):
        scorecard([PEERS["mulaw"]], folder, tmp_path, jobs=2)


def test_a_judge_that_fails_costs_only_its_own_score(folder, tmp_path):
    broken = constant(1.0, label="broken")
    object.__setattr__(broken, "function", lambda reference, decoded: 1 / 0)
    with cheap_metrics(broken=broken, none=constant(math.nan, label="none")):
        report = scorecard([PEERS["mulaw"]], folder, tmp_path)
    assert [(f["codec"], f["path"]) for f in report["failed"]] == [
        ("mulaw", "a.wav"),
        ("mulaw", "sub/b.flac"),
    ]
    assert report["failed"][0]["error"] == "broken: ZeroDivisionError: division by zero"
    codec = report["codecs"]["mulaw"]
    assert codec["scores"]["broken"]["clips"] == codec["scores"]["none"]["clips"] == 0
    assert codec["scores"]["estoi"]["clips"] == 2
    assert "none is not defined for 2 clips: mulaw" in table(report)
    json.dumps(report, allow_nan=False)


def test_a_clip_that_a_codec_destroys_counts_as_the_worst(folder, tmp_path):
    mute = FunctionPeer("mute", lambda wave: wave.copy(), lambda data: 0 * data, None)
    with cheap_metrics():
        report = scorecard([mute, PEERS["mulaw"]], folder, tmp_path)
    assert report["metrics"]["si_sdr"]["worst"] == -100
    codec, anchor = report["codecs"]["mute"], report["codecs"]["mulaw"]
    scores = codec["scores"]["si_sdr"]
    assert (scores["mean"], scores["clips"], scores["spoilt"]) == (-100, 2, 2)
    assert [clip["spoilt"] for clip in codec["clips"]] == [["si_sdr"]] * 2
    assert anchor["scores"]["si_sdr"]["spoilt"] == 0
    assert "mute left nothing to judge of 2 clips, which count -100.0 SI-SDR dB" in table(report)


def test_silence_and_broken_files(folder, tmp_path):
    source, recordings = tmp_path / "source", tmp_path / "recordings"
    source.mkdir()
    shutil.copy(folder / "a.wav", source)
    soundfile.write(source / "silence.wav", np.zeros(16000), 16000)
    (source / "broken.wav").write_bytes(b"RIFF nonsense")
    told = []
    with cheap_metrics():
        report = scorecard([PEERS["mulaw"]], source, recordings, on_progress=told.append)
    (failure,) = report["failed"]
    assert (failure["codec"], failure["path"]) == (None, "broken.wav")
    assert [f.path for progress in told for f in progress.failures] == ["broken.wav"]
    assert report["codecs"]["mulaw"]["scores"]["estoi"]["clips"] == 1
    assert "ESTOI is not defined for 1 clip: mulaw" in table(report)
    json.dumps(report, allow_nan=False)


def test_nothing_that_can_be_read(tmp_path):
    (tmp_path / "broken.wav").write_bytes(b"RIFF nonsense")
    for jobs in (1, 2):
        with cheap_metrics():
            report = scorecard([PEERS["mulaw"]], tmp_path, tmp_path / "recordings", jobs)
        assert report["codecs"]["mulaw"]["clips_scored"] == 0
        assert report["codecs"]["mulaw"]["bitrate"] is None
        assert "mulaw" in table(report)


def test_no_clips_and_names_that_will_not_do(tmp_path, folder):
    with pytest.raises(VqaudioError, match="no audio"):
        scorecard([PEERS["mulaw"]], tmp_path, tmp_path)
    with pytest.raises(VqaudioError, match="same name, mulaw"):
        scorecard([PEERS["mulaw"]] * 2, folder, tmp_path)
    for name in ("", "..", "a/b", "../../a", "original"):
        with pytest.raises(VqaudioError, match="cannot be the name"):
            scorecard([CommandPeer(name, "cp", "cp", 8000, 1)], folder, tmp_path)


def test_the_hash_tells_files_apart(folder, tmp_path):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / ".hidden").mkdir()
    shutil.copy(folder / "a.wav", tmp_path / ".hidden")
    before = hash_files(folder, find(folder))
    assert hash_files(tmp_path, find(tmp_path)) == before
    (tmp_path / "a.wav").rename(tmp_path / "c.wav")
    assert hash_files(tmp_path, find(tmp_path)) != before
    odd = os.fsdecode(b"\xff.wav")
    shutil.copy(tmp_path / "c.wav", tmp_path / odd)
    assert hash_files(tmp_path, find(tmp_path)) != before
