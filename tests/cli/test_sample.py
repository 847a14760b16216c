"""vqaudio-sample as its users meet it."""

import io
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from tests.bigram import unigram_model
from tests.small import small_model
from tests.small_prior import small_integer_prior
from tests.small_voices import small_voices
from vqaudio import Codec, Codes, Prior, pretrained
from vqaudio.cli import sample
from vqaudio.files import atomic_write


@pytest.fixture(scope="module")
def packaged(tmp_path_factory) -> Path:
    """A folder of releases: a codec `speech64` and its prior, a codec `lonely` that has none."""
    folder = tmp_path_factory.mktemp("released")
    for seed, name in enumerate(["speech64", "lonely"]):
        Codec(small_model(seed), {"name": name}).save(folder / name)
    codec = Codec.load(folder / "speech64")
    card = {"name": "speech64-prior", "codec": codec.fingerprint.hex()}
    Prior(small_integer_prior(512), card).save(folder / "speech64-prior")
    return folder


@pytest.fixture
def call(packaged, tmp_path, monkeypatch, capfd):
    """Run the command line in an empty folder; its exit status and what it said."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pretrained, "HERE", packaged)

    def run(*arguments: str) -> tuple[int, str]:
        try:
            status = sample.main(["-s", "0.05", "-d", "cpu", *arguments])
        except SystemExit as exit:
            status = exit.code
        said = capfd.readouterr()
        assert said.out == ""
        return status, said.err

    return run


@pytest.fixture
def prompt(packaged, speech, tmp_path) -> str:
    """A file of the codec `speech64`, half a second at 22050 Hz."""
    codec = Codec.load(packaged / "speech64")
    codec.encode(speech[0][:11025], 22050).save(tmp_path / "prompt.vqc")
    return "prompt.vqc"


@pytest.fixture
def with_voices(packaged) -> Path:
    """A codec whose decoder has to be told who speaks, beside its prior."""
    codec = small_voices()
    codec.save(packaged / "voices")
    card = {"name": "voices-prior", "codec": Codec.load(packaged / "voices").fingerprint.hex()}
    Prior(small_integer_prior(codec.model.codebook_size), card).save(packaged / "voices-prior")
    return packaged / "voices"


def files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_samples_and_their_codes(call, packaged, tmp_path):
    status, said = call("-n", "3", "-o", "new/folder")
    assert status == 0
    assert said.startswith("vqaudio-sample: 3 samples, 0.15 s, ")
    assert said.count("\n") == 1
    names = [f"new/folder/sample-000{n}.{end}" for n in (1, 2, 3) for end in ("vqc", "wav")]
    assert files(tmp_path) == names
    codec, waves = Codec.load(packaged / "speech64"), []
    for number in (1, 2, 3):
        codes = Codes.load(f"new/folder/sample-000{number}.vqc")
        wave, rate = soundfile.read(f"new/folder/sample-000{number}.wav", dtype="float32")
        assert (rate, len(wave)) == (16000, 800)
        decoded = codec.decode(codes)[0].clamp(-1, 1)
        np.testing.assert_allclose(decoded, wave, atol=1e-4)
        waves.append(tuple(wave))
    assert len(set(waves)) == 3


def test_the_same_seed_gives_the_same_codes_however_many(call, tmp_path):
    for folder, *more in (["a", "-n", "2"], ["b", "-n", "18"], ["c", "--seed", "1", "-n", "2"]):
        assert call("-q", "-o", folder, *more) == (0, "")

    def codes(folder: str, number: int) -> bytes:
        return (tmp_path / folder / f"sample-{number:04d}.vqc").read_bytes()

    for number in (1, 2):
        assert codes("a", number) == codes("b", number) != codes("c", number)
    assert len({codes("b", number) for number in range(1, 19)}) == 18


def test_a_prompt_comes_first(call, prompt):
    assert call("-n", "2", "--prompt", prompt, "--top-k", "5", "-t", "0.8")[0] == 0
    given = Codes.load(prompt)
    for number in (1, 2):
        codes = Codes.load(f"sample-000{number}.vqc")
        before = given.indices.shape[1]
        assert codes.indices[:, :before].equal(given.indices)
        assert codes.levels == given.levels
        info = soundfile.info(f"sample-000{number}.wav")
        assert info.samplerate == 22050
        assert info.duration == pytest.approx(before * 64 / 16000 + 0.05, abs=1e-3)


def test_a_prompt_may_be_coded_by_the_prior_that_is_given(call, packaged, prompt):
    """Or by another one that is packaged; by one that is neither, it cannot be read."""
    given = Codes.load(prompt)
    mine = Prior(unigram_model(given.indices), {"codec": given.model.hex()})
    mine.save("mine")
    given.save("coded.vqc", entropy=mine)
    assert os.path.getsize("coded.vqc") < os.path.getsize(prompt)
    assert call("-qn1", "--prior", "mine", "--prompt", "coded.vqc") == (0, "")
    codes = Codes.load("sample-0001.vqc").indices
    assert codes[:, : given.indices.shape[1]].equal(given.indices)
    status, said = call("-fn1", "--prompt", "coded.vqc")
    prior = mine.fingerprint.hex()
    reason = f"entropy-coded with prior {prior}, which is not packaged, nor given"
    assert (status, said) == (1, f"vqaudio-sample: coded.vqc: {reason}\n")


def test_folders_serve_as_well(call, packaged, prompt, monkeypatch):
    codec, prior = str(packaged / "speech64"), str(packaged / "speech64-prior")
    assert call("-qn1", "-o", "named", "--prior", "speech64-prior") == (0, "")
    assert call("-qn1", "-o", "prior", "--prior", prior) == (0, "")
    monkeypatch.setattr(pretrained, "HERE", packaged / "nothing")
    assert call("-qn1", "-o", "both", "-m", codec, "--prior", prior) == (0, "")
    names = "named", "prior", "both"
    assert len({Path(name, "sample-0001.vqc").read_bytes() for name in names}) == 1
    status, said = call("-n1", "--prior", prior)
    assert status == 1
    assert "which is not packaged: give it with -m" in said
    status, said = call("-n1", "--prompt", prompt)
    assert status == 1
    assert said.startswith("vqaudio-sample: prompt.vqc: the prompt was coded with model ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-m", "nobody"], "nobody: no model 'nobody': packaged models are lonely, speech64"),
        (["--prior", "nobody"], "nobody: no prior 'nobody': packaged priors are speech64-prior"),
        (["-m", "speech64-prior"], "speech64-prior is a prior"),
        (["--prior", "speech64"], "speech64 is a codec"),
        (["-m", "lonely"], "lonely: no prior is packaged for lonely ("),
        (["-m", "lonely", "--prior", "speech64-prior"], "is for codec speech64 ("),
        (["-m", "lonely", "--prompt", "prompt.vqc", "--prior", "speech64-prior"], "for codec"),
        (["--prompt", "missing.vqc"], "missing.vqc: No such file or directory"),
        (["--prompt", "."], ".: Is a directory"),
        (["--prompt", "empty.vqc"], "empty.vqc: "),
        (["--prompt", "cut.vqc"], "cut.vqc: the file is cut short"),
        (["--prompt", "stereo.vqc"], "stereo.vqc: a prompt has one channel, and this has 2"),
        (
            ["--prompt", "long.vqc"],
            "long.vqc: a prompt may last 3600 s at most, and this lasts 3700 s",
        ),
        (["--prompt", "other.vqc", "-m", "speech64"], "and this is lonely ("),
        (["--prompt", "other.vqc"], "no prior is packaged for lonely ("),
        (["-o", "prompt.vqc"], "prompt.vqc: File exists"),
        (["-o", "prompt.vqc/x"], "prompt.vqc/x: Not a directory"),
    ],
)
def test_what_fails_is_told_in_one_line(arguments, words, call, prompt, packaged, tmp_path):
    other = Codec.load(packaged / "lonely")
    wave = np.random.default_rng(0).standard_normal((2, 900)).astype(np.float32)
    Codec.load(packaged / "speech64").encode(wave, 16000).save("stereo.vqc")
    other.encode(wave[0], 16000).save("other.vqc")
    long = other.encode(wave[0, :128], 16000)
    count = 3700 * 16000 // long.hop
    zeros = torch.zeros(1, count, dtype=torch.int64)
    replace(long, indices=zeros, lengths=(count * long.hop,)).save("long.vqc")
    Path("empty.vqc").write_bytes(b"")
    Path("cut.vqc").write_bytes(Path(prompt).read_bytes()[:-1])
    before = files(tmp_path)
    status, said = call(*arguments)
    assert status == 1
    assert said.startswith("vqaudio-sample: ")
    assert words in said
    assert said.count("\n") == 1
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["-n", "0"],
        ["-n", "-1"],
        ["-n", "1000000"],
        ["-n", "many"],
        ["-s", "0"],
        ["-s", "nan"],
        ["-s", "inf"],
        ["-s", "1e9"],
        ["-t", "0"],
        ["-t", "-1"],
        ["-t", "warm"],
        ["-t", "nan"],
        ["--top-k", "0"],
        ["--top-k", "2.5"],
        ["--top-p", "0"],
        ["--top-p", "1.5"],
        ["--seed", "-1"],
        ["--seed", "1" + "0" * 30],
        ["-d", "tpu"],
        ["-o", ""],
        ["more"],
    ],
)
def test_wrong_usage_is_told_as_such(arguments, call, tmp_path):
    status, said = call(*arguments)
    assert status == 2
    assert said.startswith("usage: vqaudio-sample")
    assert files(tmp_path) == []


def test_what_exists_stays_without_force(call, tmp_path):
    Path("sample-0002.vqc").write_text("mine")
    status, said = call("-n", "2")
    assert status == 1
    assert said == "vqaudio-sample: ./sample-0002.vqc: exists already (-f overwrites)\n"
    assert files(tmp_path) == ["sample-0002.vqc"]
    assert Path("sample-0002.vqc").read_text() == "mine"
    assert call("-n", "2", "-fq") == (0, "")
    assert len(files(tmp_path)) == 4


def test_a_full_disk_leaves_no_half_of_a_file(call, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("vqaudio.audio.AudioWriter.write", full)
    status, said = call("-n", "2")
    assert status == 1
    assert said == "vqaudio-sample: ./sample-0001.wav: No space left on device\n"
    assert files(tmp_path) == []


def test_interrupt_leaves_no_half_of_a_file(call, tmp_path, monkeypatch):
    def interrupted(path, *arguments, **options):
        if str(path).endswith("0002.wav"):
            raise KeyboardInterrupt
        return atomic_write(path, *arguments, **options)

    monkeypatch.setattr(sample, "atomic_write", interrupted)
    assert call("-n", "3") == (130, "")
    assert files(tmp_path) == ["sample-0001.vqc", "sample-0001.wav"]


def test_a_bar_on_a_terminal_only(call, monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    assert sample.main(["-s", "0.05", "-n", "17"]) == 0
    assert "0% |" in terminal.getvalue()
    monkeypatch.setattr(sys, "stderr", quiet := io.StringIO())
    assert sample.main(["-s", "0.05", "-n", "1", "-f"]) == 0
    assert "\r" not in quiet.getvalue()


def test_no_prior_is_waited_for_when_an_output_is_in_the_way(call, monkeypatch):
    monkeypatch.setattr("vqaudio.prior.Prior.load", lambda *_: os.abort())
    Path("sample-0001.wav").write_text("mine")
    assert call()[0] == 1


def test_a_codec_with_voices_speaks_in_the_one_that_is_named(call, with_voices, tmp_path):
    for name in ("anna", "cleo"):
        arguments = ("-m", "voices", "-n", "1", "-o", name)
        status, said = call(*arguments, "--speaker", name)
        assert status == 0, said
    codes = [Codes.load(tmp_path / name / "sample-0001.vqc") for name in ("anna", "cleo")]
    assert torch.equal(codes[0].indices, codes[1].indices)
    waves = [soundfile.read(tmp_path / name / "sample-0001.wav")[0] for name in ("anna", "cleo")]
    assert not np.array_equal(*waves)
    status, said = call("-m", "voices", "-n", "1", "-o", "nobody")
    assert status == 1
    assert "told a speaker" in said
