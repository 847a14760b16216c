"""Entropy coding as users of vqaudio-encode, vqaudio-decode and vqaudio-info meet it."""

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bigram import unigram_model
from tests.small import small_model
from tests.small_prior import NETWORKS, small_prior
from vqaudio import Codec, Codes, Prior, audio, pretrained
from vqaudio.cli import decode, encode, info
from vqaudio.models.code_model import CodeModel, CodeModelConfig

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def packaged(tmp_path_factory, speech) -> Path:
    """Released models to be: two codecs, and a prior for one of them."""
    folder = tmp_path_factory.mktemp("pretrained")
    Codec(small_model()).save(folder / "small", {"name": "small"})
    Codec(small_model(seed=1)).save(folder / "other", {"name": "other"})
    codec = Codec.load(folder / "small")
    codes = codec.encode(speech[0], speech[1])
    card = {"name": "small-prior", "codec": codec.fingerprint.hex()}
    Prior(unigram_model(codes.indices), card).save(folder / "small-prior")
    return folder


@pytest.fixture
def call(packaged, tmp_path, monkeypatch, capfd, speech_path):
    """Run a command line in this process, in a folder with a.flac: exit status, words."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pretrained, "HERE", packaged)
    shutil.copy(speech_path, "a.flac")

    def run(tool, *arguments: str) -> tuple[int, str]:
        try:
            status = tool.main(arguments)
        except SystemExit as exit:
            status = exit.code
        said = capfd.readouterr()
        return status, said.err + said.out

    return run


def sizes(*paths: str) -> list[int]:
    return [os.path.getsize(path) for path in paths]


def test_smaller_files_and_the_same_sound(call):
    for options, name in (((), "plain"), (("--entropy",), "a"), (("--prior", "small-prior"), "b")):
        assert call(encode, "-q", "-m", "small", "a.flac", *options, "-o", f"{name}.vqc") == (0, "")
        assert call(decode, "-q", f"{name}.vqc", "-o", f"{name}.wav") == (0, "")
    plain, small, same = sizes("plain.vqc", "a.vqc", "b.vqc")
    assert same == small < 0.97 * plain
    waves = [Path(f"{name}.wav").read_bytes() for name in ("plain", "a", "b")]
    assert waves[0] == waves[1] == waves[2]
    assert Codes.load("a.vqc").equal(Codes.load("plain.vqc"))


def test_info_tells_how_codes_are_coded_and_both_sizes(call):
    call(encode, "-q", "-m", "small", "a.flac", "-o", "plain.vqc")
    call(encode, "-q", "-m", "small", "a.flac", "--entropy", "-o", "a.vqc")
    status, out = call(info, "--json", "a.vqc", "plain.vqc")
    assert status == 0
    coded, plain = map(json.loads, out.splitlines())
    prior = json.loads((pretrained.HERE / "small-prior" / "card.json").read_text())["fingerprint"]
    assert (coded["coding"], coded["prior"], coded["prior_name"]) == (
        "entropy",
        prior,
        "small-prior",
    )
    assert (plain["coding"], plain["prior"], plain["prior_name"]) == ("packed", None, None)
    assert [coded["bytes"], coded["packed_bytes"]] == sizes("a.vqc", "plain.vqc")
    assert plain["bytes"] == plain["packed_bytes"]
    assert coded["packed_bitrate"] == pytest.approx(plain["bitrate"])
    assert coded["bitrate"] < plain["bitrate"]
    _, out = call(info, "a.vqc")
    assert f"entropy, prior small-prior ({prior})" in out
    assert f"({plain['bytes']} bytes)" in out
    assert "packed\n" in call(info, "plain.vqc")[1]


def test_priors_that_are_not_packaged(call, packaged, monkeypatch, tmp_path):
    shutil.copytree(packaged / "small", "codec")
    shutil.copytree(packaged / "small-prior", "prior")
    monkeypatch.setattr(pretrained, "HERE", tmp_path / "nothing")
    models = "-q", "-m", "codec"
    assert call(encode, *models, "a.flac", "--prior", "prior") == (0, "")
    assert call(info, "a.vqc")[0] == 0
    assert call(decode, *models, "--prior", "prior", "a.vqc") == (0, "")
    before = sorted(os.listdir())
    status, said = call(decode, *models, "a.vqc", "-o", "b.wav")
    prior = Prior.load("prior").fingerprint.hex()
    reason = f"entropy-coded with prior {prior}, which is not packaged, nor given"
    assert (status, said) == (1, f"vqaudio-decode: a.vqc: {reason}\n")
    status, said = call(encode, *models, "a.flac", "--entropy", "-o", "b.vqc")
    assert status == 1
    assert "no prior is packaged for model" in said
    assert said.count("\n") == 1
    assert sorted(os.listdir()) == before


def test_another_prior_than_the_files(call, packaged, speech):
    call(encode, "-q", "-m", "small", "a.flac", "--entropy")
    codec = Codec.load(packaged / "small")
    card = {"name": "mine", "codec": codec.fingerprint.hex()}
    Prior(unigram_model(Codes.load("a.vqc").indices[:, :500]), card).save("mine")
    status, said = call(decode, "a.vqc", "--prior", "mine")
    assert status == 1
    assert "entropy-coded with prior small-prior (" in said
    assert "but this is prior mine (" in said
    assert said.count("\n") == 1
    assert not os.path.exists("a.decoded.wav")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("-m", "other", "--entropy"), "no prior is packaged for model other"),
        (("-m", "other", "--prior", "small-prior"), "is for codec small"),
        (("-m", "small", "--prior", "nobody"), "no prior 'nobody'"),
        (("-m", "small", "--prior", ""), "no model here"),
        (("-m", "small", "--prior", "float"), "floating point"),
        (("-m", "small", "--prior", "small"), "codec"),
        (("-m", "small", "--prior", "eleven"), "is for 11 codes"),
    ],
)
def test_priors_that_do_not_serve(arguments, reason, call, packaged):
    card = {"codec": Codec.load(packaged / "small").fingerprint.hex()}
    Prior(small_prior(NETWORKS[0]), card).save("eleven")
    Prior(CodeModel(CodeModelConfig(512, network=NETWORKS[0])), card).save("float")
    status, said = call(encode, "a.flac", *arguments)
    assert status == 1
    assert said.startswith("vqaudio-encode: ")
    assert reason in said
    assert said.count("\n") == 1
    assert not os.path.exists("a.vqc")


def test_pipes(call, packaged, tmp_path):
    call(encode, "-q", "-m", "small", "a.flac", "--entropy", "-o", "a.vqc")
    call(decode, "-q", "a.vqc", "-o", "a.wav")
    models = f"-q -m '{packaged}/small' --prior '{packaged}/small-prior' -"
    encoding, decoding = (
        f"'{sys.executable}' -m vqaudio.cli.{tool} {models}" for tool in ("encode", "decode")
    )
    done = subprocess.run(
        ["sh", "-c", f"{encoding} < a.flac | tee b.vqc | {decoding} | cat"],
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stderr == b""
    assert Path("b.vqc").read_bytes() == Path("a.vqc").read_bytes()
    assert done.stdout == Path("a.wav").read_bytes()


def test_the_bar_moves_while_codes_are_decoded(call, monkeypatch):
    call(encode, "-q", "-m", "small", "a.flac", "--entropy")
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr("tqdm.tqdm.update", lambda self, step: steps.append(step))
    steps: list[float] = []
    assert decode.main(["a.vqc"]) == 0
    assert len(steps) > 20
    assert min(steps) >= 0


def test_codes_are_saved_and_loaded(call, packaged):
    wave, rate = audio.read("a.flac")
    codes = Codec.load(packaged / "small").encode(wave, rate)
    codes.save("plain.vqc")
    codes.save("a.vqc", entropy=True)
    prior = Prior.load(packaged / "small-prior")
    codes.save("b.vqc", entropy=prior)
    plain, small, same = sizes("plain.vqc", "a.vqc", "b.vqc")
    assert same == small < plain
    for loaded in (Codes.load("a.vqc"), Codes.load("a.vqc", prior), Codes.load("plain.vqc", prior)):
        assert loaded.equal(codes)
