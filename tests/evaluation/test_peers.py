import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
import torch

from vqaudio.errors import VqaudioError
from vqaudio.evaluation.coding import place
from vqaudio.evaluation.metrics import align, estoi, pesq_wb
from vqaudio.evaluation.peers import (
    DEFAULT,
    PEERS,
    CommandPeer,
    EncodecPeer,
    FunctionPeer,
    adapter,
    native,
    ogg,
)
from vqaudio.evaluation.peers import encodec as encodec_peer


@pytest.fixture(scope="module")
def original(speech):
    """Speech that goes on at its end."""
    wave, rate = speech
    return wave[rate // 2 : 7 * rate // 2].numpy()


@pytest.mark.parametrize(
    ("name", "bitrate", "least_estoi"),
    [
        ("codec2-3200", 3200, 0.6),
        ("codec2-2400", 2400, 0.55),
        ("codec2-1200", 1200, 0.5),
        ("codec2-700C", 800, 0.45),  # its frames of 28 bits stand in 4 bytes each
        ("codec2-lpcnet", 1733, 0.5),
        ("opus-6k", 5100, 0.7),
        ("speex", 5800, 0.65),
        ("amr-wb", 7200, 0.75),  # with the header byte of each frame
        ("mulaw", 128000, 0.98),
    ],
)
def test_a_peer_gives_back_the_whole_clip_at_its_rate(name, bitrate, least_estoi, original):
    peer = PEERS[name]
    if reason := peer.missing():
        pytest.skip(reason)
    coded = peer.code(original)
    seconds = len(original) / 16000
    assert coded.num_bytes * 8 / seconds == pytest.approx(bitrate, rel=0.07)
    assert coded.encode_seconds > 0
    start, decoded = place(original, coded.wave)
    assert (start, len(decoded)) == (0, len(original))
    assert estoi(original, decoded) > least_estoi
    assert 0.5 < np.linalg.norm(decoded) / np.linalg.norm(original) < 1.5
    end = slice(-8000, -1600)  # the end is there too, and not only in length
    assert np.linalg.norm(decoded[end]) > 0.3 * np.linalg.norm(original[end])


def test_the_usual_peers_are_there():
    assert set(DEFAULT) <= set(PEERS)
    assert [peer.name for peer in PEERS.values()] == list(PEERS)


def test_mulaw_is_nearly_the_original(original):
    coded = PEERS["mulaw"].code(original)
    assert coded.num_bytes == len(original) == len(coded.wave)
    assert np.abs(coded.wave - original).max() < 0.02
    assert pesq_wb(original, coded.wave) > 3.5


def test_lpcnet_is_the_same_each_time(original):
    peer = PEERS["codec2-lpcnet"]
    if reason := peer.missing():
        pytest.skip(reason)
    first, second = (peer.code(original[:8000]) for _ in range(2))
    assert np.array_equal(first.wave, second.wave)


def test_amr_wb_is_what_other_programs_read(original, tmp_path):
    if reason := PEERS["amr-wb"].missing():
        pytest.skip(reason)
    if not shutil.which("sox"):
        pytest.skip("sox is not installed")
    coded = native.amrwb_encode((original * 32767).astype("<i2").tobytes())
    (tmp_path / "clip.awb").write_bytes(coded)
    sox = ["sox", tmp_path / "clip.awb", tmp_path / "clip.wav"]
    if (done := subprocess.run(sox, capture_output=True, text=True)).returncode:
        pytest.skip(f"sox reads no AMR-WB: {done.stderr}")
    theirs, _ = soundfile.read(tmp_path / "clip.wav", dtype="int16")
    assert theirs.astype("<i2").tobytes() == native.amrwb_decode(coded)


def test_a_library_that_is_not_there_is_named():
    assert native.missing("no-such", "f", "nowhere") == "libno-such (in nowhere) is not installed"
    assert native.missing("c", "no_such_function", "x").endswith("has no no_such_function")
    assert native.missing("c", "strlen", "x") is None


def test_ogg_packets_are_counted_without_pages(tmp_path, original):
    """Against what libsndfile, which writes the file, was asked for, and by hand."""
    page = b"OggS" + bytes(22)
    head = page + bytes([2, 4, 3]) + b"HEADtag"
    rest = page + bytes([3, 255, 10, 5]) + bytes(270)
    cut = page + bytes([1, 255]) + bytes(255)
    assert [len(p) for p in ogg.packets(head + rest)] == [4, 3, 265, 5]
    assert ogg.count_packets(head + rest) == 265 + 1 + 5 + 1
    over_pages = head + cut + page + bytes([1, 3]) + bytes(3)
    assert ogg.count_packets(over_pages) == 258 + 1
    for damaged in (head + rest[:-1], head + cut, b"RIFF" + bytes(40), head + b"OggS"):
        with pytest.raises(VqaudioError, match="Ogg"):
            ogg.packets(damaged)
    soundfile.write(tmp_path / "a.opus", original, 16000, format="OGG", subtype="OPUS")
    data = (tmp_path / "a.opus").read_bytes()
    assert 0.8 * len(data) < ogg.count_packets(data) < len(data)


def test_a_missing_program_is_named():
    peer = CommandPeer("x", "no-such-encoder {input} {output}", "cat", 8000, 1, package="nowhere")
    assert peer.missing() == "no-such-encoder (in nowhere) is not installed"
    peer = CommandPeer("x", "/no/such/encoder {input}", "cat", 8000, 1)
    assert peer.missing() == "encoder is not installed"
    assert CommandPeer("x", "cat", "cat", 8000, 1, check=lambda: "no luck").missing() == "no luck"


@pytest.mark.parametrize("sample_rate", [8000, 16000])
@pytest.mark.parametrize("audio", ["s16", "wav"])
def test_command_templates(audio, sample_rate, original):
    copy = "cp {input} {output}"
    coded = CommandPeer("copy", copy, copy, sample_rate, 1, audio).code(original)
    reference, decoded = align(original, coded.wave)
    assert len(decoded) == len(original)
    assert np.abs(reference - decoded).max() < (0.001 if sample_rate == 16000 else 0.5)
    assert coded.num_bytes >= len(original) * 2 * sample_rate // 16000


def test_a_template_may_hold_other_braces_and_a_version(original):
    shell = "sh -c 'x={input}; cp ${x} {output}'"
    peer = CommandPeer("x", shell, shell, 16000, 1, padding=0.1, tell_version="echo 1.2.3")
    assert len(peer.code(original).wave) == len(original) + 1600
    assert peer.version() == "1.2.3"
    assert replace(peer, tell_version="no-such-program").version() is None


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("false", "false failed, status 1"),
        ("true", "true wrote nothing"),
        ("sh -c 'echo broken >&2; exit 3' {input} {output}", "sh failed, status 3: broken"),
        ("/dev/null", "null: Permission denied"),
        ("sh -c 'echo at {input} >&2; exit 1'", r"sh failed, status 1: at (original\.s16|coded)"),
    ],
)
def test_a_command_that_fails(command, said, original):
    with pytest.raises(VqaudioError, match=f"^{said}$"):
        CommandPeer("x", command, command, 8000, 1).code(original)


def test_what_a_command_decoded_may_be_no_audio(original):
    peer = CommandPeer("x", "cp {input} {output}", "sh -c 'echo no > {output}'", 16000, 1, "wav")
    with pytest.raises(VqaudioError, match="no audio"):
        peer.code(original)


def test_functions_at_another_rate(original):
    def encode(wave: np.ndarray) -> bytes:
        assert len(wave) == pytest.approx(len(original) * 1.5, abs=1)
        return (wave * 32767).astype("<i2").tobytes()

    def decode(data: bytes) -> np.ndarray:
        return np.frombuffer(data, "<i2")[None] / 32767

    coded = FunctionPeer("pcm24", encode, decode, 384000, sample_rate=24000).code(original)
    assert coded.num_bytes * 8 / 3 == 384000
    assert np.abs(coded.wave - original).max() < 0.01


@pytest.mark.parametrize(
    ("encode", "decode", "said"),
    [
        (lambda wave: 1 / 0, lambda data: None, "ZeroDivisionError: division by zero"),
        (lambda wave: b"", lambda data: np.zeros((2, 3)), "decoded to an array of 2 dimensions"),
        (lambda wave: 7, lambda data: np.zeros(9), "TypeError: .*bytes-like"),
    ],
)
def test_a_function_that_fails(encode, decode, said, original):
    with pytest.raises(VqaudioError, match=f"^{said}"):
        FunctionPeer("x", encode, decode, 1).code(original)


def test_encodec_without_its_weights(original, tmp_path, monkeypatch):
    pytest.importorskip("encodec")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    peer = EncodecPeer("encodec-3k", 3000)
    assert peer.missing() == f"{encodec_peer.WEIGHTS} is not in PyTorch's folder hub/checkpoints"
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / encodec_peer.WEIGHTS).write_bytes(b"no weights")
    assert peer.missing() is None
    with pytest.raises(VqaudioError, match="is damaged"):
        peer.code(original)


@pytest.mark.filterwarnings("ignore:.*weight_norm")
def test_encodec_with_random_weights(original, monkeypatch):
    """What goes through its files is what its model makes without them."""
    encodec = pytest.importorskip("encodec")
    torch.manual_seed(0)
    model = encodec.EncodecModel.encodec_model_24khz(pretrained=False).eval()
    model.name = "encodec_24khz"  # as with its weights
    monkeypatch.setattr(encodec_peer, "_model", lambda folder: model)
    coded = EncodecPeer("encodec-3k", 3000).code(original[:16000])
    assert 3000 < coded.num_bytes * 8 < 3800  # .ecdc files start with some words of JSON
    wave = torch.from_numpy(soxr.resample(original[:16000], 16000, 24000))
    with torch.inference_mode():
        direct = model.decode(model.encode(wave[None, None]))[0, 0, : len(wave)].numpy()
    assert coded.wave == pytest.approx(soxr.resample(direct, 24000, 16000), abs=1e-5)


ADAPTER = """
from vqaudio.evaluation.peers import PEERS, CommandPeer, FunctionPeer

copy = CommandPeer("copy", "cp {input} {output}", "cp {input} {output}", 16000, 256000)
same = copy
half = FunctionPeer("half", lambda wave: wave.tobytes(), lambda data: [0.0], None)
"""


def test_an_adapter(tmp_path):
    path = tmp_path / "my codecs.py"
    path.write_text(ADAPTER)
    assert [peer.name for peer in adapter.load(path)] == ["copy", "half"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1", "no codec in it"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("def f(:", "SyntaxError: .*"),
    ],
)
def test_an_adapter_that_fails(text, said, tmp_path):
    path = tmp_path / "a.py"
    path.write_text(text)
    with pytest.raises(VqaudioError, match=f"^{said}"):
        adapter.load(path)
    path.rename(tmp_path / "a.txt")
    with pytest.raises(VqaudioError, match=r"must end in \.py"):
        adapter.load(tmp_path / "a.txt")
    with pytest.raises(OSError, match="No such file"):
        adapter.load(tmp_path / "nowhere.py")


def test_the_native_program_starts_alone(tmp_path):
    """It imports nothing from this package: its starting counts in the speed of what it runs."""
    source = Path(native.__file__).read_text()
    assert "vqaudio" not in source.replace("vqaudio.evaluation", "")
    done = subprocess.run(
        [sys.executable, "-I", native.__file__, "no-such", "a", "b"], capture_output=True
    )
    assert done.returncode == 1
