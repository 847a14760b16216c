import json

import numpy as np
import pytest
import soundfile
import torch

from tests.evaluation.priors.small import counting_prior, float_prior
from tests.small import small_model
from tests.small_prior import write_codes
from vqaudio.cli.evaluate import main
from vqaudio.codec import Codec

QUICK = ["--samples", "2", "--seconds", "0.1"]


@pytest.fixture(scope="module")
def home(speech, tmp_path_factory):
    """A codec, two priors of it, codes, and a folder of speech."""
    root = tmp_path_factory.mktemp("home")
    wave, rate = speech
    Codec(small_model()).save(root / "codec")
    codec = Codec.load(root / "codec")
    codes = codec.encode(wave[: 2 * rate], rate).indices[0].numpy()
    write_codes(root / "codes", [codes], fingerprint=codec.fingerprint)
    float_prior(codec).save(root / "float")
    counting_prior(codec, codes).save(root / "counting")
    (root / "speech").mkdir()
    soundfile.write(root / "speech" / "a.wav", wave[2 * rate : 3 * rate].numpy(), rate)
    return root


def test_everything_at_once(home, tmp_path, capsys):
    priors = [str(home / "float"), str(home / "counting")]
    arguments = ["-m", str(home / "codec"), "--train-codes", str(home / "codes"), *QUICK]
    arguments += ["--seed", "3", "--temperature", "0.9", "--top-p", "0.9", "-d", "cpu"]
    arguments += ["-o", str(tmp_path / "report.json")]
    assert main([*arguments, "--prior", *priors, str(home / "speech")]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    for name in ("uniform", "trigram", "xz", "packed", "counting", "unigram samples"):
        assert any(line.startswith(name) for line in printed.out.splitlines())
    report = json.loads((tmp_path / "report.json").read_text())
    assert list(report["priors"]) == ["wavenet", "counting"]
    samples = report["samples"]
    assert (samples["count"], samples["seed"]) == (2, 3)
    assert (samples["temperature"], samples["top_p"]) == (0.9, 0.9)


def test_the_folder_may_come_first(home, capsys):
    prior = str(home / "counting")
    assert main([str(home / "speech"), "-m", str(home / "codec"), *QUICK, "--prior", prior]) == 0
    assert "counting: every code of 1 clip restored exactly" in capsys.readouterr().out


def test_priors_of_one_name_are_told_apart(home, tmp_path, capsys):
    """By their fingerprints; a prior that is given twice is measured once."""
    codec = Codec.load(home / "codec")
    second = counting_prior(codec, np.arange(512))
    second.save(tmp_path / "second")
    third = counting_prior(codec, np.arange(512))
    third.card["name"] = "trigram"
    third.model.head.bias.add_(torch.arange(512))
    third.save(tmp_path / "third")
    priors = [home / "counting", tmp_path / "second", tmp_path / "third", home / "counting"]
    arguments = ["-m", str(home / "codec"), *QUICK, "-o", str(tmp_path / "r.json")]
    assert main([*arguments, "--prior", *map(str, priors), str(home / "speech")]) == 0
    names = list(json.loads((tmp_path / "r.json").read_text())["priors"])
    assert [name.split()[0] for name in names] == ["counting", "counting", "trigram"]
    assert names[1].split()[1] == second.fingerprint.hex()[:8]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--prior", "--samples", "0", "DIR"], "is not a whole number from 1 to 1000"),
        (["--prior", "--samples", "1000000", "DIR"], "is not a whole number from 1 to 1000"),
        (["--prior", "--samples", "many", "DIR"], "'many' is not a whole number"),
        (["--prior", "--seconds", "long", "DIR"], "'long' is not a number above 0, 60 at most"),
        (["--prior", "--seconds", "nan", "DIR"], "is not a number above 0"),
        (["--prior", "--seconds", "0", "DIR"], "is not a number above 0"),
        (["--prior", "--temperature", "0", "DIR"], "is not a number above 0"),
        (["--prior", "--temperature", "inf", "DIR"], "is not a number above 0"),
        (["--prior", "--top-p", "1.5", "DIR"], "is not a number above 0, 1 at most"),
        (["--prior", "--seed", "-1", "DIR"], "is not a whole number of at least 0"),
        (["--prior", "--html", "page.html", "DIR"], "--html does not go with --prior"),
        (["--prior", "-p", "none", "DIR"], "--peers does not go with --prior"),
        (["--prior", "-m", "a", "-m", "b", "DIR"], "--prior takes one model"),
        (["--samples", "3", "DIR"], "--samples goes with --prior"),
        (["--train-codes", "codes", "DIR"], "--train-codes goes with --prior"),
        (["--prior"], "the following arguments are required: AUDIO_DIR"),
        ([], "the following arguments are required: AUDIO_DIR"),
        (["--prior", "x", "DIR", "-q", "DIR2", "DIR3"], "unrecognized arguments"),
    ],
)
def test_wrong_usage(words, said, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err.splitlines()[-1]


def test_what_cannot_be_used_is_one_line(home, tmp_path, capsys):
    speech, codec, prior = (str(home / name) for name in ("speech", "codec", "float"))
    Codec(small_model(1)).save(tmp_path / "other")
    other = Codec.load(tmp_path / "other")
    write_codes(tmp_path / "codes", [np.arange(9)], fingerprint=other.fingerprint)
    folder = ["-m", codec, "--prior", prior, speech]
    mine = other.fingerprint.hex()
    cases = [
        (["-m", codec, "--prior", "nobody", speech], "nobody: "),
        (["-m", codec, "--prior", codec, speech], f"{codec}: "),
        (["-m", "nobody", "--prior", prior, speech], "nobody: no model 'nobody'"),
        (["-m", codec, "--prior", speech], f"{codec}: there is no packaged prior for this model"),
        (["--prior", prior, speech], f"{prior}: its codec "),
        (["-m", str(tmp_path / "other"), "--prior", prior, speech], mine),
        ([*folder[:-1], str(tmp_path / "nothing")], "nothing: not a folder"),
        ([*folder[:-1], str(tmp_path / "codes")], "no audio files in this folder"),
        (["--train-codes", str(tmp_path), *folder], "holds no codes of a corpus"),
        (
            ["--train-codes", str(tmp_path / "codes"), *folder],
            f"{tmp_path / 'codes'}: the training codes are of codec {mine}",
        ),
        (["-o", str(tmp_path), *folder], f"{tmp_path}: is a folder"),
        (["-o", str(tmp_path / "no" / "r.json"), *folder], "its folder does not exist"),
    ]
    for words, said in cases:
        assert main(words) == 1
        printed = capsys.readouterr()
        assert printed.err.startswith("vqaudio-evaluate: ")
        assert said in printed.err
        assert printed.err.count("\n") == 1
        assert printed.out == ""


def test_a_clip_that_fails_is_told_and_the_others_scored(home, tmp_path, capsys):
    (tmp_path / "a.wav").write_bytes((home / "speech" / "a.wav").read_bytes())
    (tmp_path / "broken.wav").write_text("no sound")
    arguments = ["-m", str(home / "codec"), *QUICK, "--prior", str(home / "float"), str(tmp_path)]
    assert main(arguments) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith(f"vqaudio-evaluate: {tmp_path / 'broken.wav'}: ")
    assert "1 failure, named in the report" in printed.out
