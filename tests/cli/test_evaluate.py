import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.evaluation.cheap import cheap_metrics
from tests.small import small_model
from vqaudio.cli.evaluate import main
from vqaudio.codec import Codec

COMMAND = [sys.executable, "-m", "vqaudio.cli.evaluate"]
ADAPTER = """
from vqaudio.evaluation.peers import CommandPeer
copy = CommandPeer("copy", "cp {input} {output}", "cp {input} {output}", 16000, 256000)
"""


@pytest.fixture(autouse=True)
def cheap():
    with cheap_metrics():
        yield


@pytest.fixture(scope="module")
def folder(speech, tmp_path_factory):
    root = tmp_path_factory.mktemp("speech")
    wave, rate = speech
    for name, start in (("one/a.wav", 0), ("two/b.flac", 2)):
        (root / name).parent.mkdir()
        soundfile.write(root / name, wave[start * rate : (start + 2) * rate].numpy(), rate)
    return root


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    directory = tmp_path_factory.mktemp("model")
    Codec(small_model()).save(directory)
    return directory


def test_everything_at_once(folder, model, tmp_path, capsys):
    (tmp_path / "mine.py").write_text(ADAPTER)
    report, page, audio = (tmp_path / name for name in ("report.json", "page.html", "audio"))
    arguments = ["-m", str(model), "-p", "mulaw", "-a", str(tmp_path / "mine.py"), "-j", "1"]
    arguments += ["-o", str(report), "--html", str(page), "--save-audio", str(audio)]
    assert main([*arguments, str(folder)]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    for line in ("one: 1 clip", "two: 1 clip"):
        assert line in printed.out.splitlines()
    assert list(json.loads(report.read_text())["codecs"]) == [model.name, "mulaw", "copy"]
    assert "copy" in page.read_text()
    made = {path.relative_to(audio).as_posix() for path in audio.rglob("*.wav")}
    codecs = ("original", model.name, "mulaw", "copy")
    assert made == {f"{codec}/{clip}.wav" for codec in codecs for clip in ("one/a", "two/b")}
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("audio", "mine.py", "page.html", "report.json")
    ]


def test_audio_is_kept_only_where_nothing_is(folder, tmp_path, capsys):
    arguments = ["-m", "none", "-p", "mulaw", "-j", "1", "--save-audio", str(tmp_path)]
    assert main([*arguments, str(folder)]) == 0  # an empty folder
    capsys.readouterr()
    assert main([*arguments, str(folder)]) == 1
    said = f"vqaudio-evaluate: {tmp_path}: exists already, and is not an empty folder\n"
    assert capsys.readouterr().err == said


def test_a_link_to_an_empty_folder_is_refused_before_the_work(folder, tmp_path, capsys):
    """A folder cannot be moved to where a link is."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("empty")
    arguments = ["-m", "none", "-p", "mulaw", "-j", "1", "--save-audio", str(tmp_path / "link")]
    assert main([*arguments, str(folder)]) == 1
    assert capsys.readouterr().err.endswith("exists already, and is not an empty folder\n")


LOSING = """
import shutil
from vqaudio.evaluation.peers import FunctionPeer, PEERS

def decode(data):
    shutil.rmtree({gone!r}, ignore_errors=True)
    return PEERS["mulaw"].decode(data)

losing = FunctionPeer("losing", PEERS["mulaw"].encode, decode, None)
"""


def test_a_report_that_cannot_be_written_costs_neither_table_nor_audio(folder, tmp_path, capsys):
    """Its folder goes away while the codecs are at work."""
    gone, audio = tmp_path / "gone", tmp_path / "audio"
    gone.mkdir()
    (tmp_path / "losing.py").write_text(LOSING.format(gone=str(gone)))
    arguments = ["-m", "none", "-p", "none", "-a", str(tmp_path / "losing.py"), "-j", "1"]
    arguments += ["-o", str(gone / "report.json"), "--save-audio", str(audio), str(folder)]
    assert main(arguments) == 1
    printed = capsys.readouterr()
    said = f"vqaudio-evaluate: {gone / 'report.json'}: its folder does not exist\n"
    assert printed.err == said
    assert "losing" in printed.out
    assert (audio / "losing" / "one" / "a.wav").exists()


def test_no_codec_that_can_run_is_one_line(folder, tmp_path, capsys):
    (tmp_path / "mine.py").write_text(ADAPTER.replace("cp {", "/no/such-program {"))
    arguments = ["-m", "none", "-p", "none", "-a", str(tmp_path / "mine.py")]
    assert main([*arguments, str(folder)]) == 1
    said = f"vqaudio-evaluate: {folder}: no codec can run: such-program is not installed\n"
    assert capsys.readouterr().err == said


def test_models_of_one_name_are_told_apart(tmp_path, capsys):
    """By their fingerprints; a model that is given twice is measured once."""
    soundfile.write(tmp_path / "a.wav", np.zeros(800), 16000)
    codecs = [Codec(small_model(seed)) for seed in (0, 0, 1)]
    names = ["speech", "again", "speech"]
    arguments = ["-p", "none", "-j", "1", "-o", str(tmp_path / "report.json"), str(tmp_path)]
    for number, (codec, name) in enumerate(zip(codecs, names, strict=True)):
        codec.save(tmp_path / str(number), {"name": name})
        arguments += ["-m", str(tmp_path / str(number))]
    assert main(arguments) == 0
    hexes = [Codec.load(tmp_path / number).fingerprint.hex()[:8] for number in ("0", "2")]
    report = json.loads((tmp_path / "report.json").read_text())
    assert list(report["codecs"]) == [f"speech {digits}" for digits in hexes]
    assert f"speech {hexes[1]}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\nb", r"a\?b "),
        ("mulaw", r"mulaw [0-9a-f]{8} "),
        ("original", r"original [0-9a-f]{8} "),
        ("../../a", r"\.\._\.\._a "),
        ("..", r"\.\. [0-9a-f]{8} "),
    ],
)
def test_a_name_is_one_line_and_one_folder_and_no_peers(name, shown, tmp_path, capsys):
    soundfile.write(tmp_path / "a.wav", np.zeros(800), 16000)
    Codec(small_model()).save(tmp_path / "model", {"name": name})
    kept = tmp_path / "kept"
    arguments = ["-m", str(tmp_path / "model"), "-p", "mulaw", "-j", "1"]
    assert main([*arguments, "--save-audio", str(kept), str(tmp_path)]) == 0
    assert re.match(shown, capsys.readouterr().out.splitlines()[1])
    assert len(list(kept.glob("*/a.wav"))) == 3


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--peers", "nonsense", "."], 2, "unknown peer nonsense"),
        (["-m", "none", "--peers", "", "."], 2, "no model and no peer"),
        (["-j", "0", "."], 2, "at least 1"),
        (["-j", "all", "."], 2, "'all' is not a whole number"),
        ([], 2, "AUDIO_DIR"),
        (["-m", "no-such-model", "."], 1, "no-such-model"),
        (["-m", "none", "no-such-folder"], 1, "no-such-folder: not a folder"),
        (["-m", "none", "-o", "nowhere/report.json", "."], 1, "folder does not exist"),
        (["-m", "none", "--html", "nowhere/page.html", "."], 1, "folder does not exist"),
        (["-m", "none", "--save-audio", "nowhere/audio", "."], 1, "folder does not exist"),
        (["-m", "none", "-o", ".", "."], 1, "is a folder"),
        (["-a", "nowhere.py", "."], 1, "nowhere.py: No such file or directory"),
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


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import sys; sys.exit(0)", "SystemExit: 0"),
    ],
)
def test_a_broken_adapter_is_one_line(text, reason, tmp_path, capsys):
    (tmp_path / "bad.py").write_text(text)
    assert main(["-a", str(tmp_path / "bad.py"), str(tmp_path)]) == 1
    said = f"vqaudio-evaluate: {tmp_path / 'bad.py'}: {reason}\n"
    assert capsys.readouterr().err == said


def test_a_broken_clip_exits_1_with_one_line(tmp_path, capsys):
    (tmp_path / "broken.wav").write_bytes(b"nonsense")
    (tmp_path / "mine.py").write_text(ADAPTER)
    arguments = ["-m", "none", "-p", "mulaw", "-a", str(tmp_path / "mine.py"), "-j", "1"]
    assert main([*arguments, str(tmp_path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"vqaudio-evaluate: {tmp_path / 'broken.wav'}: cannot be read as audio")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_outputs_that_take_nothing_are_one_line(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(800), 16000)
    report = tmp_path / "report.json"
    words = [*COMMAND, "-m", "none", "-p", "mulaw", "-j", "1", "-o", str(report), str(tmp_path)]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr == "vqaudio-evaluate: standard output: No space left on device\n"
    assert report.exists()


def test_on_a_terminal_there_is_a_bar_and_ctrl_c_leaves_nothing(folder, tmp_path):
    """A codec that takes long is interrupted, as is all that was started."""
    (tmp_path / "slow.py").write_text(ADAPTER.replace("cp {input} {output}", "sleep 5"))
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 25, 120, 0, 0))
    words = ["-m", "none", "-p", "mulaw", "-a", str(tmp_path / "slow.py")]
    words += ["--save-audio", str(tmp_path / "kept"), "-o", str(tmp_path / "report.json")]
    with subprocess.Popen([*COMMAND, *words, str(folder)], stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        while b"1 of 4 clips" not in shown:
            shown += os.read(ours, 1000)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    assert b"1 of 2, coding" in shown
    assert re.search(rb"left, \w+", shown)
    assert [path.name for path in tmp_path.iterdir()] == ["slow.py"]
    os.close(ours)
