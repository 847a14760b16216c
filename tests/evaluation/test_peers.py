import numpy as np
import pytest

from vqaudio.errors import VqaudioError
from vqaudio.evaluation.metrics import align, estoi, pesq_wb
from vqaudio.evaluation.peers import PEERS, CommandPeer


@pytest.fixture(scope="module")
def original(speech):
    wave, rate = speech
    return wave[: 3 * rate].numpy()


def test_mulaw(original):
    coded = PEERS["mulaw"].code(original)
    assert coded.num_bytes == len(original) == len(coded.wave)
    assert np.abs(coded.wave - original).max() < 0.02
    assert pesq_wb(original, coded.wave) > 3.5


@pytest.mark.parametrize("name", [name for name in PEERS if name.startswith("codec2")])
def test_codec2(name, original):
    peer = PEERS[name]
    if reason := peer.missing():
        pytest.skip(reason)
    coded = peer.code(original)
    seconds = len(original) / 16000
    assert coded.num_bytes * 8 / seconds == pytest.approx(peer.nominal, rel=0.15)
    assert len(coded.wave) == pytest.approx(len(original), abs=1000)
    assert estoi(*align(original, coded.wave)) > 0.45


def test_a_missing_program_is_named():
    peer = CommandPeer("x", "no-such-encoder {input} {output}", "cat", 8000, 1, package="nowhere")
    assert peer.missing() == "no-such-encoder (in nowhere) is not installed"


@pytest.mark.parametrize("sample_rate", [8000, 16000])
@pytest.mark.parametrize("audio", ["s16", "wav"])
def test_command_templates(audio, sample_rate, original):
    copy = "cp {input} {output}"
    coded = CommandPeer("copy", copy, copy, sample_rate, 1, audio).code(original)
    reference, decoded = align(original, coded.wave)
    assert len(decoded) == len(original)
    assert np.abs(reference - decoded).max() < (0.001 if sample_rate == 16000 else 0.5)
    assert coded.num_bytes >= len(original) * 2 * sample_rate // 16000


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("false", "false failed, status 1"),
        ("true", "true wrote nothing"),
        ("sh -c 'echo broken >&2; exit 3' {input} {output}", "sh failed, status 3: broken"),
        ("/dev/null", "/dev/null: .*Permission denied.*"),
    ],
)
def test_a_command_that_fails(command, said, original):
    with pytest.raises(VqaudioError, match=f"^{said}$"):
        CommandPeer("x", command, command, 8000, 1).code(original)
