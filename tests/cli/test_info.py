import io
import json
import os
import subprocess
import sys

import pytest

from tests.test_codes import make_codes
from vqaudio.cli.info import main


@pytest.fixture
def path(tmp_path):
    make_codes((441_000, 441_000)).save(tmp_path / "a.vqc")
    return tmp_path / "a.vqc"


def test_json_tells_what_the_file_holds_and_measures_its_bytes(path, capsys):
    assert main(["--json", str(path)]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    info = json.loads(line)
    assert info["path"] == str(path)
    assert info["sound"] is True
    assert info["model"] == "0102030405060708"
    assert info["model_name"] is None
    assert (info["duration"], info["sample_rate"], info["channels"]) == (10.0, 44100, 2)
    assert (info["codes"], info["codebook_size"], info["num_samples"]) == (2500, 512, 441_000)
    assert info["levels"] == [-20.5, -21.5]
    assert info["bytes"] == os.path.getsize(path)
    assert info["bitrate"] == pytest.approx(os.path.getsize(path) * 8 / 10)


def test_text_for_people(path, capsys):
    assert main([str(path)]) == 0
    out = capsys.readouterr().out
    for piece in (str(path), "0102030405060708", "10.000 s", "44100 Hz", "2500", "4.5", "sound"):
        assert piece in out


def test_a_packaged_model_is_named(path, capsys, monkeypatch):
    monkeypatch.setattr("vqaudio.pretrained.name_of", lambda fingerprint: "speech64")
    assert main([str(path)]) == 0
    assert "speech64 (0102030405060708)" in capsys.readouterr().out


def test_bad_files_are_told_and_the_others_still_done(path, tmp_path, capsys):
    damaged = bytearray(path.read_bytes())
    damaged[1000] ^= 1
    (tmp_path / "damaged.vqc").write_bytes(damaged)
    (tmp_path / "cut.vqc").write_bytes(path.read_bytes()[:-1])
    (tmp_path / "empty.vqc").touch()
    names = ["damaged.vqc", "cut.vqc", "empty.vqc", "missing.vqc", "", "a.vqc"]
    paths = [str(tmp_path / name) for name in names]
    assert main(["--json", *paths]) == 1
    out, err = capsys.readouterr()
    assert [json.loads(line)["sound"] for line in out.splitlines()] == [False] * 5 + [True]
    lines = err.splitlines()
    assert len(lines) == 5
    for line, bad in zip(lines, paths[:5], strict=True):
        assert line.startswith(f"vqaudio-info: {bad}: ")
    assert "damaged after 0 codes" in lines[0]
    assert "cut short" in lines[1]
    assert "No such file" in lines[3]


def test_standard_input(path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
    assert main(["--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["bytes"] == os.path.getsize(path)


def test_wrong_usage_is_exit_2(capsys):
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == 2
    assert "FILE" in capsys.readouterr().err


def test_it_runs_as_a_module(path):
    run = subprocess.run(
        [sys.executable, "-m", "vqaudio.cli.info", str(path), str(path) + "x"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert run.stdout.startswith(str(path))
    assert len(run.stderr.splitlines()) == 1
