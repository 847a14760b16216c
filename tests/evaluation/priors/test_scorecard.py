import copy
import json

import numpy as np
import pytest
import soundfile

from tests.evaluation.priors.small import counting_prior, float_prior
from tests.small import small_model
from tests.small_prior import NETWORKS, write_codes
from vqaudio.codec import Codec
from vqaudio.data.chunks import CodeCorpus
from vqaudio.errors import ModelError, VqaudioError
from vqaudio.evaluation.priors.clips import CodedClip
from vqaudio.evaluation.priors.files import weigh
from vqaudio.evaluation.priors.scorecard import SampleConfig, prior_scorecard
from vqaudio.evaluation.priors.table import prior_table

CONFIG = SampleConfig(count=3, seconds=0.25, seed=7)
NGRAMS = ("unigram", "bigram", "trigram")


@pytest.fixture(scope="module")
def codec():
    return Codec(small_model(), {"name": "small"})


@pytest.fixture(scope="module")
def folder(speech, tmp_path_factory):
    """Two clips in folders of their own, and one that is no audio."""
    root = tmp_path_factory.mktemp("speech")
    wave, rate = speech
    for name, start in (("one/a.wav", 0), ("two/b.flac", 1)):
        (root / name).parent.mkdir()
        soundfile.write(root / name, wave[start * rate : (start + 1) * rate].numpy(), rate)
    return root


@pytest.fixture(scope="module")
def train(codec, speech, tmp_path_factory):
    """The rest of the same recording."""
    wave, rate = speech
    clips = wave[2 * rate : 8 * rate].split(2 * rate)
    rows = [codec.encode(clip, rate).indices[0].numpy() for clip in clips]
    folder = tmp_path_factory.mktemp("codes")
    return CodeCorpus(write_codes(folder, rows, fingerprint=codec.fingerprint))


@pytest.fixture(scope="module")
def priors(codec, train):
    known = np.concatenate(train.clips)
    return {"float": float_prior(codec), "counting": counting_prior(codec, known)}


@pytest.fixture(scope="module")
def report(codec, priors, folder, train):
    return prior_scorecard(codec, priors, folder, train, CONFIG)


@pytest.fixture(scope="module")
def plain(codec, folder):
    """Of one prior, which works in floating point, and without training codes."""
    prior = float_prior(codec, NETWORKS[1])
    return prior_scorecard(codec, {"float": prior}, folder, config=CONFIG)


def test_a_report_is_json(report):
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert report["codec"]["codebook_size"] == 512
    assert report["files"]["count"] == 2
    assert report["versions"]["constriction"]
    assert [clip["path"] for clip in report["clips"]] == ["one/a.wav", "two/b.flac"]


def test_bits_per_code(report, priors, codec, folder):
    told = report["bits_per_code"]
    assert list(told) == ["uniform", *NGRAMS, "float", "counting", "xz"]
    assert told["uniform"]["mean"] == 9
    wave, rate = soundfile.read(folder / "one" / "a.wav", dtype="float32")
    codes = codec.encode(wave, rate)
    assert told["float"]["groups"]["one"] == pytest.approx(
        priors["float"].bits(codes).mean().item()
    )
    clips = report["clips"]
    total = sum(clip["codes"] * clip["bits_per_code"]["bigram"] for clip in clips)
    assert told["bigram"]["mean"] == pytest.approx(total / report["codes"])
    gap = told["float"]["beside_trigram"]["mean"]
    assert gap == pytest.approx(told["float"]["mean"] - told["trigram"]["mean"])


def test_who_counts_like_a_unigram_costs_as_much(report):
    told = report["bits_per_code"]
    assert told["counting"]["mean"] == pytest.approx(told["unigram"]["mean"], abs=0.4)


def test_files_are_real_and_exact(report):
    packed, coded = report["coded"]["packed"], report["coded"]["counting"]
    assert list(report["coded"]) == ["packed", "counting"]  # what is not exact makes no files
    assert packed["restored"] == coded["restored"] == 2
    assert packed["overhead"] is None
    assert packed["saving"]["mean"] == 0
    assert coded["bytes"] < packed["bytes"]
    savings = [
        1 - c["files"]["counting"]["bytes"] / c["files"]["packed"]["bytes"] for c in report["clips"]
    ]
    assert coded["saving"]["mean"] == pytest.approx(np.mean(savings))
    assert 0 <= coded["overhead"] < 0.03
    assert coded["bitrate"] == pytest.approx(8 * coded["bytes"] / report["seconds"])


def test_codes_that_do_not_come_back_are_noticed(codec, folder, priors, monkeypatch):
    from vqaudio import container

    wave, rate = soundfile.read(folder / "one" / "a.wav", dtype="float32")
    codes, other = (codec.encode(part, rate) for part in (wave, wave[::-1].copy()))
    monkeypatch.setattr(container, "read", lambda path, coder_for: other)
    (file,) = weigh([CodedClip("a", codes)], {}, lambda progress: None)["packed"]
    assert not file["restored"]


def test_samples(report, priors, codec, train):
    told = report["samples"]
    assert list(told["rows"]) == [*priors, "real codes", "unigram samples", "shuffled codes"]
    assert told["judges"] == ["bigram", "trigram", "float", "counting"]
    assert told["codes"] == priors["float"].sample(codec, 0.25).indices.shape[1]
    for name, row in told["rows"].items():
        assert list(row["bits_per_code"]) == [judge for judge in told["judges"] if judge != name]
        assert 0 <= row["copied"] <= 1
    real, mixed = told["rows"]["real codes"], told["rows"]["shuffled codes"]
    assert real["code_distance"] == pytest.approx(mixed["code_distance"])
    assert real["bits_per_code"]["bigram"] < mixed["bits_per_code"]["bigram"]
    assert told["rows"]["counting"]["code_distance"] < told["rows"]["float"]["code_distance"]


def test_the_same_seed_gives_the_same_samples(report, codec, priors, folder, train):
    again = prior_scorecard(codec, priors, folder, train, CONFIG)
    assert again["samples"] == report["samples"]


def test_without_training_codes(plain):
    assert list(plain["bits_per_code"]) == ["uniform", "float", "xz"]
    assert list(plain["coded"]) == ["packed"]
    assert plain["samples"]["reference"] == "these clips"
    assert plain["samples"]["rows"]["float"] | {"copied": None} == plain["samples"]["rows"]["float"]
    assert plain["train"] is None


def test_table(report):
    lines = prior_table(report).splitlines()
    heads = [line for line in lines if line.startswith(("model", "files", "samples "))]
    assert [head.split()[0] for head in heads] == ["model", "files", "samples"]
    assert "one" in heads[0].split()
    (counting,) = [line for line in lines if line.startswith("counting") and ".." in line][:1]
    assert f"{report['bits_per_code']['counting']['mean']:.3f}" in counting
    assert "counting: every code of 2 clips restored exactly" in lines
    assert "float: no files, works in floating point" in lines
    assert lines[-1] == f"2 files, SHA-256 {report['files']['sha256'][:16]}"
    spoilt = copy.deepcopy(report)
    spoilt["coded"]["counting"]["restored"] = 1
    assert "counting: NOT RESTORED: 1 of 2 clips" in prior_table(spoilt)


def test_table_without_training_codes(plain):
    said = prior_table(plain)
    assert "no n-gram models, and nothing about copies: --train-codes gives both" in said
    for column in ("beside trigram", "grams copied"):
        assert column not in said


def test_clips_that_fail_are_named(codec, priors, folder, tmp_path):
    (tmp_path / "a.wav").write_bytes((folder / "one" / "a.wav").read_bytes())
    (tmp_path / "broken.wav").write_text("no sound")
    told = []
    report = prior_scorecard(codec, {"float": priors["float"]}, tmp_path, None, CONFIG, told.append)
    assert [failure["path"] for failure in report["failed"]] == ["broken.wav"]
    assert [f.path for progress in told for f in progress.failures] == ["broken.wav"]
    assert len(report["clips"]) == 1
    assert "1 failure, named in the report" in prior_table(report)
    stages = list(dict.fromkeys(progress.stage for progress in told))
    assert stages == ["encoding", "scoring", "weighing", "sampling float"]


@pytest.mark.parametrize("content", [None, "no sound"])
def test_nothing_to_score(codec, priors, tmp_path, content):
    if content:
        (tmp_path / "a.wav").write_text(content)
    with pytest.raises(VqaudioError, match=r"no audio files|no file in this folder can be coded"):
        prior_scorecard(codec, priors, tmp_path)


def test_another_codec(priors, folder, train, codec):
    other = Codec(small_model(1))
    with pytest.raises(ModelError, match=other.fingerprint.hex()):
        prior_scorecard(other, priors, folder)
    stranger = {"float": float_prior(other)}
    with pytest.raises(ModelError, match=codec.fingerprint.hex()):
        prior_scorecard(other, stranger, folder, train)
