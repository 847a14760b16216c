"""vqaudio-encode and vqaudio-decode as their users meet them."""

import io
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.small import small_model
from tests.small_voices import small_voices
from vqaudio import Codec, Codes, pretrained
from vqaudio.cli import decode, encode

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> str:
    """A folder with a model in it."""
    folder = tmp_path_factory.mktemp("models") / "small"
    Codec(small_model()).save(folder, {"name": "small"})
    return str(folder)


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def call(model, capfd, place):
    """Run a command line in this process; its exit status and what it said."""

    def run(tool, *arguments: str, model: str | None = model) -> tuple[int, str]:
        given = ["-m", model] if model else []
        try:
            status = tool.main([*given, *arguments])
        except SystemExit as exit:
            status = exit.code
        said = capfd.readouterr()
        assert said.out == ""
        return status, said.err

    return run


def sound(path: str, samples: np.ndarray | None = None, rate: int = 16000) -> str:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    if samples is None:
        samples = np.random.default_rng(1).standard_normal(rate) * 0.05
    soundfile.write(path, samples, rate)
    return path


def files(folder: Path) -> list[str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in found)


def test_there_and_back(call, place):
    sound("speech.wav", rate=22050)
    status, said = call(encode, "speech.wav")
    assert status == 0
    size = (place / "speech.vqc").stat().st_size
    assert f"vqaudio-encode: 1 file, 1.00 s, {size} bytes, {8 * size} bit/s, " in said
    assert said.count("\n") == 1
    assert call(decode, "-q", "speech.vqc") == (0, "")
    info = soundfile.info("speech.decoded.wav")
    assert (info.samplerate, info.channels, info.frames) == (22050, 1, 22050)


def test_channels_are_kept_when_asked_to(call):
    stereo = np.random.default_rng(0).standard_normal((3000, 2)) * [0.1, 0.01]
    sound("a.wav", stereo)
    for options, channels in (((), 1), (("--keep-channels",), 2)):
        assert call(encode, "-qf", "a.wav", *options)[0] == 0
        assert call(decode, "-qf", "a.vqc", "-o", "b.wav")[0] == 0
        assert soundfile.info("b.wav").channels == channels


def test_folders_are_walked_and_mirrored(call, place):
    for name in ("in/a.wav", "in/deep/b.FLAC", "in/deep/c.x.ogg", "in/.hidden/d.wav"):
        sound(name)
    Path("in/notes.txt").write_text("no sound")
    assert call(encode, "-q", "in", "-o", "out") == (0, "")
    assert files(place / "out") == ["a.vqc", "deep/b.vqc", "deep/c.x.vqc"]
    assert call(encode, "-q", "in/deep/") == (0, "")
    assert files(place / "in/deep") == ["b.FLAC", "b.vqc", "c.x.ogg", "c.x.vqc"]
    assert call(decode, "-q", "out", "-o", "wav/s") == (0, "")
    assert files(place / "wav/s") == ["a.decoded.wav", "deep/b.decoded.wav", "deep/c.x.decoded.wav"]


def test_files_into_a_folder(call, place):
    sound("x/a.wav"), sound("b.wav")
    os.rename(sound("c.wav"), "noend")
    assert call(encode, "-q", "x/a.wav", "b.wav", "noend", "-o", "new")[0] == 0
    assert files(place / "new") == ["a.vqc", "b.vqc", "noend.vqc"]
    assert call(encode, "-q", "b.wav", "-o", "made/")[0] == 0
    assert files(place / "made") == ["b.vqc"]


def test_what_exists_stays_without_force(call):
    sound("a.wav")
    Path("a.vqc").write_text("mine")
    status, said = call(encode, "a.wav")
    assert (status, said) == (1, "vqaudio-encode: a.vqc: exists already (-f overwrites)\n")
    assert Path("a.vqc").read_text() == "mine"
    assert call(encode, "-qf", "a.wav") == (0, "")
    assert Path("a.vqc").read_bytes().startswith(b"VQC")


def test_the_input_is_never_the_output(call):
    before = Path(sound("a.wav")).read_bytes()
    os.link("a.wav", "b.wav")
    for target in ("a.wav", "./a.wav", "b.wav"):
        status, said = call(encode, "-f", "a.wav", "-o", target)
        assert (status, said) == (1, "vqaudio-encode: a.wav: this would overwrite its own input\n")
    assert Path("a.wav").read_bytes() == before


def test_two_inputs_for_one_output_are_refused(call, place):
    sound("a.wav"), sound("a.flac"), sound("b.wav")
    status, said = call(encode, "-q", "a.wav", "b.wav", "a.flac", "b.wav", "-o", "out")
    assert status == 1
    assert said.count("another input would become out/a.vqc too") == 2
    assert files(place / "out") == ["b.vqc"]


def as_float(path: str, samples: list[float]) -> None:
    soundfile.write(path, np.array(samples), 16000, subtype="FLOAT")


def patched_rate(path: str, rate: int) -> None:
    data = bytearray(Path(sound(path)).read_bytes())
    data[24:28] = rate.to_bytes(4, "little")
    Path(path).write_bytes(data)


BAD_SOUNDS = {
    "text": lambda p: Path(p).write_text("not a sound at all\n" * 50),
    "empty": lambda p: Path(p).write_bytes(b""),
    "no_samples": lambda p: sound(p, np.zeros(0)),
    "nan": lambda p: as_float(p, [0.0] * 999 + [float("nan")]),
    "infinite": lambda p: as_float(p, [float("-inf"), 0.5]),
    "0_hz": lambda p: patched_rate(p, 0),
    "10_mhz": lambda p: patched_rate(p, 10_000_000),
    "64_channels": lambda p: sound(p, np.zeros((50, 64))),
    "missing": lambda p: None,
    "loop": lambda p: os.symlink(p, p),
}


@pytest.mark.parametrize("kind", BAD_SOUNDS)
def test_bad_sounds_fail_alone(kind, call, place):
    BAD_SOUNDS[kind](f"{kind}.wav")
    sound("good.wav")
    status, said = call(encode, "-q", f"{kind}.wav", "good.wav", "-o", "out")
    assert status == 1
    assert said.startswith(f"vqaudio-encode: {kind}.wav: ")
    assert said.count("\n") == 1
    assert files(place / "out") == ["good.vqc"]


def test_one_sample_and_silence_are_no_faults(call):
    for samples in (np.ones(1), np.zeros(1), np.zeros(5000)):
        sound("a.wav", samples)
        assert call(encode, "-qf", "a.wav") == (0, "")
        assert call(decode, "-qf", "a.vqc") == (0, "")
        assert soundfile.info("a.decoded.wav").frames == len(samples)


@pytest.fixture(scope="module")
def coded(tmp_path_factory) -> bytes:
    """Bytes of a sound .vqc file of the small model."""
    path = tmp_path_factory.mktemp("coded") / "a.vqc"
    Codec(small_model()).encode(np.zeros(900, np.float32) + 0.1, 16000).save(path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def sound_vqc(tmp_path_factory, model) -> bytes:
    """Bytes of a good file of the model in the folder `model`."""
    wave = np.random.default_rng(3).standard_normal(9000).astype(np.float32)
    path = tmp_path_factory.mktemp("coded") / "a.vqc"
    Codec.load(model).encode(wave, 16000).save(path)
    return path.read_bytes()


BAD_FILES = {
    "empty": lambda good: b"",
    "text": lambda good: b"not codes" * 50,
    "half": lambda good: good[: len(good) // 2],
    "no_end": lambda good: good[:-1],
    "longer": lambda good: good + b"\0",
    "twice": lambda good: good + good,
    "flipped": lambda good: good[:60] + bytes([good[60] ^ 16]) + good[61:],
    "future": lambda good: good[:4] + b"\x02" + good[5:],
    "magic_only": lambda good: good[:4],
    "random": lambda good: good[:4] + random.Random(0).randbytes(3000),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_bad_files_fail_alone(kind, call, place, sound_vqc):
    Path(f"{kind}.vqc").write_bytes(BAD_FILES[kind](sound_vqc))
    Path("good.vqc").write_bytes(sound_vqc)
    status, said = call(decode, "-q", f"{kind}.vqc", "good.vqc", "-o", "out")
    assert status == 1
    assert said.startswith(f"vqaudio-decode: {kind}.vqc: ")
    assert said.count("\n") == 1
    assert files(place / "out") == ["good.decoded.wav"]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_damage_is_noticed(data, call, place, sound_vqc):
    at = data.draw(st.integers(0, len(sound_vqc) - 1))
    cut, new = data.draw(st.integers(0, 20)), data.draw(st.binary(max_size=20))
    damaged = sound_vqc[:at] + new + sound_vqc[at + cut :]
    Path("a.vqc").write_bytes(damaged)
    status, said = call(decode, "-qf", "a.vqc")
    assert status == (0 if damaged == sound_vqc else 1)
    assert said.count("\n") == status
    assert Path("a.decoded.wav").exists() == (status == 0)
    Path("a.decoded.wav").unlink(missing_ok=True)


def test_another_model_is_named(call, place, coded):
    Path("a.vqc").write_bytes(coded)  # of the weights before they were rounded and saved
    fingerprint = Codes.load("a.vqc").model.hex()
    status, said = call(decode, "a.vqc")
    assert status == 1
    assert fingerprint in said
    assert "small (" in said
    status, said = call(decode, "a.vqc", model=None)
    assert status == 1
    assert fingerprint in said
    assert "-m" in said
    assert files(place) == ["a.vqc"]


def test_packaged_models_are_found_by_themselves(call, model, monkeypatch, sound_vqc):
    monkeypatch.setattr(pretrained, "HERE", Path(model).parent)
    Path("a.vqc").write_bytes(sound_vqc)
    assert call(decode, "-q", "a.vqc", model=None) == (0, "")
    sound("b.wav")
    assert call(encode, "-q", "b.wav", model="small") == (0, "")


@pytest.mark.parametrize("tool", [encode, decode])
def test_no_such_model(tool, call):
    status, said = call(tool, "a", model="nobody")
    assert status == 1
    assert "nobody" in said
    assert said.count("\n") == 1


def test_folders_that_are_not_there(call, place):
    sound("a.wav")
    status, said = call(encode, "a.wav", "-o", "no/such/a.vqc")
    assert status == 1
    assert said == "vqaudio-encode: no/such/a.vqc: its folder does not exist\n"
    os.mkdir("empty")
    status, said = call(encode, "empty")
    assert (status, said) == (1, "vqaudio-encode: empty: nothing to work on in this folder\n")
    status, said = call(encode, "missing/")
    assert (status, said) == (1, "vqaudio-encode: missing/: No such file or directory\n")
    assert files(place) == ["a.wav"]


def test_interrupt_leaves_nothing(call, place, monkeypatch):
    from vqaudio import transcode

    def interrupt(*_):
        raise KeyboardInterrupt

    sound("a.wav")
    monkeypatch.setattr(transcode.Writer, "close", interrupt)
    assert call(encode, "a.wav") == (130, "")
    assert files(place) == ["a.wav"]


def test_names_stay_on_one_line(call):
    status, said = call(encode, "two\nlines\x1b.wav")
    assert status == 1
    assert said == "vqaudio-encode: two?lines?.wav: No such file or directory\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["-d", "tpu", "a.wav"],
        ["--wings", "a.wav"],
        ["-", "-"],
        ["-", "a.wav"],
        ["a.wav", "b.wav", "-o", "-"],
        [".", "-o", "-"],
        ["a.wav", "b.wav", "-o", "a.wav"],
        ["a.wav", "-o", ""],
    ],
)
@pytest.mark.parametrize("tool", [encode, decode])
def test_wrong_usage_is_told_as_such(tool, arguments, call):
    sound("a.wav")
    status, said = call(tool, *arguments)
    assert status == 2
    assert said.startswith("usage: vqaudio-")


def test_decoded_audio_is_not_called_otherwise(call):
    assert call(decode, "a.vqc", "-o", "a.mp3")[0] == 2


def test_binary_is_not_sent_to_a_terminal(call, monkeypatch):
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(isatty=lambda: True))
    assert call(encode, "a.wav", "-o", "-")[0] == 2


def test_a_bar_on_a_terminal_only(model, place, monkeypatch):
    sound("a.wav")
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    assert encode.main(["-m", model, "a.wav"]) == 0
    assert "a.wav:   0%" in terminal.getvalue()
    monkeypatch.setattr(sys, "stderr", quiet := io.StringIO())
    assert encode.main(["-f", "-m", model, "a.wav"]) == 0
    assert "\r" not in quiet.getvalue()


def command(tool: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", f"vqaudio.cli.{tool}", *arguments]


@pytest.fixture
def elsewhere(monkeypatch) -> None:
    """Child processes find this package from any folder."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def test_pipes(model, call, place, elsewhere, speech_path):
    call(encode, "-q", str(speech_path), "-o", "a.vqc")
    call(decode, "-q", "a.vqc", "-o", "a.wav")
    pipe = " | ".join(
        f"'{sys.executable}' -m vqaudio.cli.{tool} -q -m '{model}' -"
        for tool in ("encode", "decode")
    )
    done = subprocess.run(
        ["sh", "-c", f"cat '{speech_path}' | {pipe} | cat"], check=True, capture_output=True
    )
    assert done.stdout == Path("a.wav").read_bytes()
    assert done.stderr == b""


def test_a_bad_pipe_gives_no_bytes(model, elsewhere):
    done = subprocess.run(
        command("decode", "-m", model, "-"), input=b"VQC\x1a\x01 and then", capture_output=True
    )
    assert done.returncode == 1
    assert done.stdout == b""
    assert done.stderr == b"vqaudio-decode: standard input: the file is cut short\n"


def test_a_reader_that_leaves_is_no_news(model, place, elsewhere, sound_vqc):
    Path("a.vqc").write_bytes(sound_vqc)
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        command("decode", "-m", model, "a.vqc", "-o", "-"), stdout=writer, stderr=subprocess.PIPE
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full")
@pytest.mark.parametrize(("tool", "pipe"), [("encode", False), ("decode", True)])
def test_full_disk(tool, pipe, model, place, elsewhere, sound_vqc):
    source = {"encode": sound("a.wav"), "decode": "a.vqc"}[tool]
    Path("a.vqc").write_bytes(sound_vqc)
    words = command(tool, "-qm", model, source, "-o", "-" if pipe else str(FULL))
    with open(FULL, "wb") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr == f"vqaudio-{tool}: {source}: No space left on device\n"


@pytest.mark.parametrize("tool", [encode, decode])
def test_what_a_disk_has_no_room_for_leaves_nothing(tool, call, place, sound_vqc):
    """A limit on the size of files stands in for the disk: writing fails in the middle for real."""
    source = {encode: sound("a.wav"), decode: "a.vqc"}[tool]
    Path("a.vqc").write_bytes(sound_vqc)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        status, said = call(tool, source, "-o", "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (status, said) == (1, f"vqaudio-{tool.__name__[12:]}: {source}: File too large\n")
    assert files(place) == ["a.vqc", "a.wav"]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_nothing(number, status, model, place, elsewhere):
    """For real: a signal while a long file is being coded."""
    sound("a.wav", np.random.default_rng(0).standard_normal(16000 * 300) * 0.1)
    process = subprocess.Popen(
        command("encode", "-m", model, "a.wav"),
        stderr=subprocess.PIPE,
        # Where the tests run in the background, children are born deaf to some of them.
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    )
    while not list(place.glob(".vqaudio-*")) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(number)
    assert process.communicate()[1] == b""
    assert process.returncode == status
    assert files(place) == ["a.wav"]


def test_another_speaker_says_it(call, place, tmp_path_factory, speech_path):
    folder = tmp_path_factory.mktemp("voices")
    codec = small_voices()
    codec.save(folder)
    model = str(folder)
    assert call(encode, "-o", "x.vqc", str(speech_path), model=model)[0] == 0
    assert call(decode, "-q", "--speaker", "anna", "-o", "anna.wav", "x.vqc", model=model) == (
        0,
        "",
    )
    assert call(decode, "-q", "--speaker", "cleo", "-o", "cleo.wav", "x.vqc", model=model) == (
        0,
        "",
    )
    anna, cleo = (soundfile.read(f"{name}.wav")[0] for name in ("anna", "cleo"))
    assert len(anna) == len(cleo) == soundfile.info(speech_path).frames
    assert (anna - cleo).std() > 0.01 * anna.std()
    codes = Codes.load("x.vqc")
    whole = Codec.load(folder).decode(codes, "anna")[0].numpy()
    assert np.abs(whole.clip(-1, 1) - anna).max() < 1e-4
    raised = call(
        decode, "-q", "--speaker", "anna", "--semitones", "7", "-o", "7.wav", "x.vqc", model=model
    )
    assert raised == (0, "")
    assert (soundfile.read("7.wav")[0] - anna).std() > 0.001 * anna.std()


@pytest.mark.parametrize(
    ("arguments", "status", "complaint"),
    [
        ([], 1, "has to be told a speaker: anna, ben/one, cleo"),
        (["--speaker", "dora"], 1, "no speaker dora"),
        (["--semitones", "3"], 2, "--semitones is for --speaker"),
        (["--speaker", "anna", "--semitones", "1000"], 2, "from -24 to 24"),
    ],
)
def test_a_speaker_that_cannot_be_is_told(
    call, place, tmp_path_factory, speech_path, arguments, status, complaint
):
    folder = tmp_path_factory.mktemp("voices")
    small_voices().save(folder)
    assert call(encode, "-q", "-o", "x.vqc", str(speech_path), model=str(folder))[0] == 0
    found, said = call(decode, *arguments, "-o", "x.wav", "x.vqc", model=str(folder))
    assert found == status
    assert complaint in said
    assert not Path("x.wav").exists()
