from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from vqaudio.errors import VqaudioError
from vqaudio.evaluation.coding import code_all, place, recording_names
from vqaudio.evaluation.peers import PEERS, FunctionPeer


@pytest.fixture(scope="module")
def wave(speech):
    samples, rate = speech
    return samples[rate // 2 : 5 * rate // 2].numpy()


def test_a_late_clip_is_moved_back(wave):
    start, decoded = place(wave, np.concatenate([np.zeros(640, np.float32), wave]))
    assert start == 0
    assert np.array_equal(decoded, wave)


def test_an_early_clip_is_moved_on_and_says_from_where_it_counts(wave):
    start, decoded = place(wave, wave[800:])
    assert start == 800
    assert not decoded[:800].any()
    assert np.array_equal(decoded[800:], wave[800:])


def test_a_cut_clip_counts_up_to_where_it_ends(wave):
    start, decoded = place(wave, np.concatenate([np.zeros(300, np.float32), wave])[: len(wave)])
    assert (start, len(decoded)) == (0, len(wave) - 300)
    assert np.array_equal(decoded, wave[:-300])


@pytest.mark.parametrize("cut", [slice(0, -30), slice(30, None)])
def test_some_lost_samples_are_filled_up(wave, cut):
    """So that each codec is measured on the very same original."""
    start, decoded = place(wave, wave[cut])
    assert (start, len(decoded)) == (0, len(wave))
    assert np.array_equal(decoded[30:-30], wave[30:-30])


@pytest.mark.parametrize(
    ("decoded", "said"),
    [
        (lambda wave: wave[: len(wave) // 2], r"1\.00 s of the clip are missing"),
        (lambda wave: wave[:0], "to no samples"),
        (lambda wave: np.full_like(wave, np.nan), "not a number"),
    ],
)
def test_what_is_no_clip(decoded, said, wave):
    with pytest.raises(VqaudioError, match=said):
        place(wave, decoded(wave))


@pytest.mark.parametrize("length", [1, 100, 1600])
def test_a_clip_shorter_than_a_delay_is_placed_or_refused(length, wave):
    """A sample of the other sign is most like the original where they do not overlap at all."""
    for decoded in (wave[:length], -wave[:length], wave[:1], -wave[:1]):
        try:
            start, placed = place(wave[:length], decoded)
        except VqaudioError as error:
            assert "missing" in str(error)  # noqa: PT017
        else:
            assert 0 <= start < len(placed) <= length


def test_recordings_have_names_of_their_own():
    paths = ["a.wav", "a.flac", "b/a.flac", "c.mp3", "c.mp3.wav", "d.flac", "d.x.flac"]
    names = recording_names(Path("/s"), [Path("/s", path) for path in paths])
    assert list(names) == paths
    assert len(set(names.values())) == len(paths)
    assert names["b/a.flac"] == "b/a.wav"
    assert names["d.flac"] == "d.wav"
    assert names["d.x.flac"] == "d.x.wav"
    assert names["a.flac"] == "a.flac.wav"


def test_a_codec_that_breaks_its_word_costs_only_its_own_clips(wave, tmp_path):
    """An adapter's object of its own, that raises what it likes."""
    soundfile.write(tmp_path / "a.wav", wave, 16000)
    broken = replace(PEERS["mulaw"], name="broken")
    object.__setattr__(broken, "code", lambda wave: [][1])
    clips, failures = code_all(
        [broken, PEERS["mulaw"]], tmp_path, [tmp_path / "a.wav"], tmp_path, lambda progress: None
    )
    assert [clip.codec for clip in clips] == ["mulaw"]
    assert failures == [("broken", "a.wav", "IndexError: list index out of range")]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_an_error_of_the_system(wave, tmp_path, capfd):
    soundfile.write(tmp_path / "a.wav", wave, 16000)
    (tmp_path / "original").mkdir()
    (tmp_path / "original" / "a.wav").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        code_all([PEERS["mulaw"]], tmp_path, [tmp_path / "a.wav"], tmp_path, lambda progress: None)
    assert capfd.readouterr().err == ""


def test_recordings_are_of_the_same_samples(wave, tmp_path):
    source, recordings = tmp_path / "speech", tmp_path / "recordings"
    (source / "sub").mkdir(parents=True)
    soundfile.write(source / "sub" / "a.flac", wave, 16000)
    late = FunctionPeer(
        "late",
        lambda wave: wave.tobytes(),
        lambda data: np.concatenate([np.zeros(500), np.frombuffer(data, np.float32)]),
        1,
    )
    broken = FunctionPeer("broken", lambda wave: b"", lambda data: 1 / 0, 1)
    told = []
    coders = [PEERS["mulaw"], late, broken]
    clips, failures = code_all(coders, source, [source / "sub" / "a.flac"], recordings, told.append)
    assert [clip.codec for clip in clips] == ["mulaw", "late"]
    assert [clip.recording for clip in clips] == ["sub/a.wav"] * 2
    assert failures == [("broken", "sub/a.flac", "ZeroDivisionError: division by zero")]
    assert [(p.done, p.total, p.codec) for p in told] == [
        (0, 3, None),
        (1, 3, "mulaw"),
        (2, 3, "late"),
        (3, 3, "broken"),
    ]
    original, rate = soundfile.read(recordings / "original" / "sub" / "a.wav", dtype="float32")
    decoded, _ = soundfile.read(recordings / "late" / "sub" / "a.wav", dtype="float32")
    assert rate == 16000
    assert np.array_equal(original, decoded)
    assert not (recordings / "broken").exists()
