import io
import json
import os
import signal
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


def test_names_stay_on_one_line(path, tmp_path, capsys):
    os.rename(path, tmp_path / "two\nlines\x1b.vqc")
    assert main([str(tmp_path / "two\nlines\x1b.vqc"), str(tmp_path / "a\nb")]) == 1
    out, err = capsys.readouterr()
    assert out.startswith(f"{tmp_path}/two?lines?.vqc\n  model:")
    assert err == f"vqaudio-info: {tmp_path}/a?b: No such file or directory\n"


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "vqaudio.cli.info", *map(str, arguments)]


def test_a_reader_that_leaves_is_no_news(path):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(command(path), stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_full_disk_is_one_line(path):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command(path), stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr == "vqaudio-info: standard output: No space left on device\n"


def test_ctrl_c_is_quiet(tmp_path):
    make_codes((44100 * 200,) * 2).save(tmp_path / "long.vqc")
    data = (tmp_path / "long.vqc").read_bytes()
    process = subprocess.Popen(
        command("-"),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Where the tests run in the background, children are born deaf to it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert len(data) > 1.5 * 65536  # more than a pipe holds: once written, some has been read
    os.write(process.stdin.fileno(), data[:-1])
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert process.stderr.read() == b""
    process.stdin.close()


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
    run = subprocess.run(command(path, f"{path}x"), capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stdout.startswith(str(path))
    assert len(run.stderr.splitlines()) == 1
