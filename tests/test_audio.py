import contextlib
import io
import os
import struct
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vqaudio import audio
from vqaudio.audio import AudioWriter, Resampler
from vqaudio.errors import AudioError
from vqaudio.files import atomic_write
from vqaudio.level import LevelMeter, gain_for

RATES = [8000, 11025, 16000, 22050, 44100, 48000]


def split(wave: torch.Tensor, sizes) -> list[torch.Tensor]:
    """`wave` in chunks of the given sizes, over and over."""
    chunks, start, turn = [], 0, 0
    while start < wave.shape[1]:
        size = sizes[turn % len(sizes)]
        chunks.append(wave[:, start : start + size])
        start, turn = start + size, turn + 1
    return chunks


def resample(chunks, in_rate, out_rate) -> torch.Tensor:
    resampler = Resampler(in_rate, out_rate, chunks[0].shape[0])
    return torch.cat([resampler.push(chunk) for chunk in chunks] + [resampler.flush()], dim=1)


# Files


@pytest.mark.parametrize(
    ("suffix", "options", "exact"),
    [
        ("wav", {}, True),
        ("wav", {"subtype": "FLOAT"}, True),
        ("wav", {"subtype": "PCM_24"}, True),
        ("wav", {"subtype": "PCM_U8"}, False),
        ("flac", {}, True),
        ("ogg", {}, False),
        ("opus", {"format": "OGG", "subtype": "OPUS"}, False),
        ("mp3", {}, False),
        ("aiff", {}, True),
    ],
)
def test_formats_are_read_whole(tmp_path, speech, suffix, options, exact):
    wave, rate = speech
    stereo = torch.stack([wave, wave.flip(0)])
    path = tmp_path / f"x.{suffix}"
    soundfile.write(path, stereo.T.numpy(), rate, **options)
    got, got_rate = audio.read(path)
    assert (got_rate, got.dtype, got.shape) == (rate, torch.float32, stereo.shape)
    assert audio.probe(path) == audio.AudioInfo(rate, 2, len(wave))
    if exact:
        assert torch.equal(got, stereo)
    else:
        assert (got - stereo).pow(2).mean() < 0.1 * stereo.pow(2).mean()


def test_blocks_are_the_file_from_paths_and_open_files(speech_path, speech):
    wave, rate = speech
    blocks = list(audio.read_blocks(speech_path, 0.7))
    assert {block.shape[1] for block in blocks[:-1]} == {int(0.7 * rate)}
    assert torch.equal(torch.cat(blocks, dim=1)[0], wave)
    with open(speech_path, "rb") as stream:
        stream.seek(100)  # it is read from its start all the same, and any number of times
        for _ in range(2):
            assert torch.equal(audio.read(stream)[0][0], wave)
    assert torch.equal(audio.read(io.BytesIO(speech_path.read_bytes()))[0][0], wave)


def test_content_counts_and_not_the_name(tmp_path, speech_path):
    for name in ("x.mp3", "x", "ü x.txt"):
        (tmp_path / name).write_bytes(speech_path.read_bytes())
        assert audio.probe(tmp_path / name).frames == 123040


def test_one_sample_is_audio(tmp_path):
    audio.write(tmp_path / "x.wav", torch.tensor([0.5]), 16000)
    assert audio.read(tmp_path / "x.wav")[0].tolist() == [[0.5]]


def wav_bytes(samples: np.ndarray, rate: int, **options) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, format="WAV", **options)
    return stream.getvalue()


SILENCE = np.zeros(100, np.float32)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"\0", "cannot be read as audio"),
        (b"hello, this is a text file\n" * 50, "cannot be read as audio"),
        (b"RIFF\xff\xff\xff\xffWAVE", "cannot be read as audio"),
        (b"ID3" + bytes(200), "cannot be read as audio"),
        (b"\x7fELF" + bytes(range(256)) * 4, "cannot be read as audio"),
        (wav_bytes(SILENCE[:0], 16000), "no samples"),
        (wav_bytes(np.array([0, np.nan], np.float32), 16000, subtype="FLOAT"), "not a number"),
        (wav_bytes(np.array([0, np.inf], np.float32), 16000, subtype="FLOAT"), "infinite"),
        (wav_bytes(np.array([0, 1e300]), 16000, subtype="DOUBLE"), "infinite"),
        (wav_bytes(SILENCE, 999), "999 Hz"),
        (wav_bytes(SILENCE, 10_000_000), "10000000 Hz"),
        (wav_bytes(np.zeros((9, 64), np.float32), 16000), "64 channels"),
    ],
)
def test_bad_files_are_refused_in_one_line(tmp_path, data, message):
    path = tmp_path / "x.wav"
    path.write_bytes(data)
    for source in (path, io.BytesIO(data)):
        with pytest.raises(AudioError, match=message) as caught:
            audio.read(source)
        assert "\n" not in str(caught.value)


def test_a_rate_of_zero_is_refused():
    data = bytearray(wav_bytes(SILENCE, 16000))
    data[24:28] = bytes(4)
    with pytest.raises(AudioError):
        audio.read(io.BytesIO(data))


def test_headerless_audio_is_refused(tmp_path):
    (tmp_path / "x.raw").write_bytes(bytes(1000))
    with pytest.raises(AudioError):
        audio.read(tmp_path / "x.raw")


def test_files_that_cannot_be_opened_are_os_errors(tmp_path):
    with pytest.raises(FileNotFoundError):
        audio.probe(tmp_path / "none.wav")
    with pytest.raises(IsADirectoryError):
        audio.read(tmp_path)


@pytest.mark.parametrize("claimed", [0, 0x7FFFFFFE, 0xFFFFFFFF])
def test_a_claimed_length_is_not_trusted(speech, claimed):
    """Programs that write to a pipe leave such lengths in the header."""
    wave, rate = speech
    data = bytearray(wav_bytes(wave.numpy(), rate))
    data[4:8] = data[40:44] = struct.pack("<I", claimed)
    assert data[36:40] == b"data"
    try:
        got, _ = audio.read(io.BytesIO(data))
    except AudioError:
        assert claimed == 0
    else:
        assert torch.equal(got[0], wave)


def test_a_flac_of_unknown_length_is_read_whole(speech_path, speech):
    data = bytearray(speech_path.read_bytes())
    data[21] &= 0xF0  # the low 36 bits of STREAMINFO bytes 13 to 17: number of samples, 0: unknown
    data[22:26] = bytes(4)
    assert torch.equal(audio.read(io.BytesIO(data))[0][0], speech[0])


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damaged_files_give_audio_or_an_audio_error(speech, data):
    stream = io.BytesIO()
    format_, subtype = data.draw(st.sampled_from([("WAV", "PCM_16"), ("FLAC", "PCM_16")]))
    soundfile.write(stream, speech[0][:4000].numpy(), 16000, format=format_, subtype=subtype)
    damaged = bytearray(stream.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, 60))] = data.draw(st.integers(0, 255))
    del damaged[data.draw(st.integers(1, len(damaged))) :]
    with contextlib.suppress(AudioError):
        wave, _ = audio.read(io.BytesIO(damaged))
        assert 0 < wave.numel() < 1_000_000


def test_memory_is_bounded_by_the_block_not_the_file(tmp_path):
    path = tmp_path / "long.wav"
    second = torch.zeros(2, 48000)
    peaks = []
    for seconds in (5, 50):
        tracemalloc.start()
        with atomic_write(path) as stream, AudioWriter(stream, 48000, 2) as writer:
            for _ in range(seconds):
                writer.write(second)
        total = sum(block.shape[1] for block in audio.read_blocks(path, 1.0))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert total == seconds * 48000
    assert peaks[1] < 1.2 * peaks[0]


def test_blocks_stay_small_at_any_rate_and_channel_count():
    data = wav_bytes(np.zeros((300_000, 32), np.int16), 768_000)
    sizes = [block.numel() for block in audio.read_blocks(io.BytesIO(data), 3600)]
    assert sum(sizes) == 300_000 * 32
    assert max(sizes) <= 1 << 22


def test_written_samples_come_back(tmp_path, speech):
    wave, rate = speech
    path = tmp_path / "x.wav"
    audio.write(path, wave, rate)
    assert torch.equal(audio.read(path)[0][0], wave)  # 16-bit speech, so nothing is lost
    info = soundfile.info(path)
    assert (info.format, info.subtype, info.samplerate) == ("WAV", "PCM_16", rate)
    with pytest.raises(FileExistsError):
        audio.write(path, wave, rate, force=False)


def test_beyond_full_scale_is_clipped_and_does_not_wrap(tmp_path):
    audio.write(tmp_path / "x.wav", torch.tensor([[1.0, -1.0, 3.0, -3.0, 0.0]]), 8000)
    got = audio.read(tmp_path / "x.wav")[0][0] * 32768
    assert got.tolist() == [32767, -32768, 32767, -32768, 0]


class Pipe(io.RawIOBase):
    """A stream that cannot seek."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        self.data += data
        return len(data)


def test_a_pipe_gets_the_same_bytes_as_a_file(tmp_path, speech):
    wave, rate = speech
    stereo = torch.stack([wave, -wave])
    audio.write(tmp_path / "x.wav", stereo, rate)
    pipe, buffer = Pipe(), io.BytesIO(b"before")
    buffer.seek(0, os.SEEK_END)
    for stream in (pipe, buffer):
        with AudioWriter(stream, rate, 2) as writer:
            for chunk in split(stereo, [1000, 1, 40000]):
                writer.write(chunk)
    assert bytes(pipe.data) == (tmp_path / "x.wav").read_bytes()
    assert buffer.getvalue() == b"before" + bytes(pipe.data)


def test_a_pipe_gets_nothing_of_what_failed():
    def broken(stream) -> None:
        with AudioWriter(stream, 16000, 1) as writer:
            writer.write(torch.zeros(1, 1000))
            raise KeyboardInterrupt

    pipe = Pipe()
    with pytest.raises(KeyboardInterrupt):
        broken(pipe)
    assert not pipe.data


def test_a_wav_file_has_its_limit():
    writer = AudioWriter(io.BytesIO(), 16000, 1)
    writer.num_samples = 1 << 31
    with pytest.raises(AudioError, match="4 GiB"):
        writer.write(torch.zeros(1, 1))


def test_pipes_and_standard_input_are_made_seekable(tmp_path, monkeypatch, speech_path, speech):
    read_end, write_end = os.pipe()
    with os.fdopen(write_end, "wb", buffering=0) as pipe:
        pipe.write(speech_path.read_bytes()[:3000])
    with audio.open_source(f"/dev/fd/{read_end}") as source:
        for _ in range(2):
            source.seek(0)
            assert len(source.read()) == 3000
    os.close(read_end)
    with open(speech_path, "rb") as file:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(file))
        with audio.open_source("-") as source:
            assert audio.probe(source).sample_rate == 16000
            assert torch.equal(audio.read(source)[0][0], speech[0])
    with pytest.raises(FileNotFoundError), audio.open_source(tmp_path / "none"):
        pass


# Resampling


@settings(max_examples=60, deadline=None)
@given(
    in_rate=st.sampled_from(RATES) | st.integers(1000, 768_000),
    out_rate=st.sampled_from(RATES),
    length=st.integers(1, 30_000),
    sizes=st.lists(st.integers(1, 9000), min_size=1, max_size=4),
    channels=st.integers(1, 3),
)
def test_resampled_length_is_exact_and_chunks_do_not_show(
    speech, in_rate, out_rate, length, sizes, channels
):
    sizes = [max(size, length // 100) for size in sizes]
    wave = speech[0][20000 : 20000 + length].repeat(channels, 1)
    whole = resample([wave], in_rate, out_rate)
    assert whole.shape == (channels, -(-length * out_rate // in_rate))
    assert torch.equal(whole, resample(split(wave, sizes), in_rate, out_rate))
    if in_rate == out_rate:
        assert torch.equal(whole, wave)


def test_resampling_keeps_the_sound_and_its_place(speech):
    wave, rate = speech
    for other in (22050, 44100, 48000):
        there = resample([wave[None]], rate, other)
        back = resample([there], other, rate)[0, : len(wave)]
        error = (back - wave).pow(2).mean() / wave.pow(2).mean()
        assert error < 1e-3  # what lies next to half the rate is lost
    phase = 2 * torch.pi * 440 * torch.arange(48000, dtype=torch.float64) / 48000
    expected = phase[::3].sin().float()
    got = resample([phase.sin().float()[None]], 48000, 16000)[0]
    assert (got - expected)[200:-200].abs().max() < 1e-4


def test_a_resampler_hands_out_what_is_ready():
    resampler = Resampler(44100, 16000, 1)
    given = sum(resampler.push(torch.zeros(1, 4410)).shape[1] for _ in range(100))
    assert given > 150_000


# Level


def level(wave: torch.Tensor, rate: int, sizes=(10**9,)) -> tuple[float, ...]:
    meter = LevelMeter(rate, wave.shape[0])
    for chunk in split(wave, sizes):
        meter.update(chunk)
    return meter.levels()


@settings(max_examples=30, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 50_000), min_size=1, max_size=4),
    rate=st.sampled_from([1000, 11025, 16000, 192_000]),
    start=st.integers(0, 100_000),
)
def test_level_does_not_depend_on_chunks(speech, sizes, rate, start):
    wave = speech[0][None, start:]
    wave = torch.cat([wave, 0.1 * wave])
    sizes = [max(size, 100) for size in sizes]
    assert level(wave, rate, sizes) == level(wave, rate)


def test_level_of_known_signals():
    for decibels in (-60, -40.5, -20, -3, 0, 10, 63):
        amplitude = 10 ** (decibels / 20)
        wave = torch.tensor([[amplitude, -amplitude]]).repeat(1, 16000)
        assert level(wave, 16000) == pytest.approx((decibels,), abs=0.5)
        assert level(wave[:, :1], 16000) == pytest.approx((decibels,), abs=0.5)  # one sample
        assert level(wave[:, :250], 16000) == pytest.approx((decibels,), abs=0.5)
    assert level(torch.zeros(2, 5000), 16000) == (-64.0, -64.0)
    assert level(torch.zeros(1, 0), 16000) == (-64.0,)
    assert level(torch.full((1, 5000), 1e30), 16000) == (63.5,)
    assert level(torch.full((1, 5000), 10 ** (-69.5 / 20)), 16000) == (-64.0,)


def test_level_follows_gain_and_ignores_pauses(speech):
    wave = speech[0][None]
    loud = level(wave, 16000)[0]
    assert -40 < loud < -10
    assert level(0.1 * wave, 16000)[0] == pytest.approx(loud - 20, abs=0.5)
    pauses = torch.cat([torch.zeros(1, 200_000), wave, torch.zeros(1, 200_000)], dim=1)
    noise = 1e-3 * torch.randn(pauses.shape, generator=torch.Generator().manual_seed(0))
    assert level(pauses, 16000)[0] == pytest.approx(loud, abs=0.5)
    assert level(pauses + noise, 16000)[0] == pytest.approx(loud, abs=1.0)


def test_a_faint_word_in_long_silence_has_its_own_level():
    wave = torch.zeros(1, 160_000)
    wave[:, 80_000:81_600] = 10 ** (-50 / 20)
    assert level(wave, 16000) == pytest.approx((-50,), abs=0.5)


def test_level_is_a_multiple_of_half_a_decibel(speech):
    for gain in torch.logspace(-4, 2, 20):
        (got,) = level(gain * speech[0][None, :30000], 16000)
        assert got * 2 == round(got * 2)
        assert -64 <= got <= 63.5


def test_gain_brings_speech_to_its_level_and_noise_not_all_the_way(speech):
    wave = 0.1 * speech[0][None]
    raised = gain_for(level(wave, 16000)[0]) * wave
    assert level(raised, 16000)[0] == pytest.approx(-20, abs=0.5)
    assert gain_for(-64) == gain_for(-60) == pytest.approx(100)


def test_mono_is_the_mean():
    wave = torch.tensor([[1.0, 0.0], [0.0, 0.5]])
    assert audio.to_mono(wave).tolist() == [[0.5, 0.25]]
    assert torch.equal(audio.to_mono(wave[:1]), wave[:1])


def test_files_are_found_in_order(tmp_path):
    names = ["b.wav", "a/c.FLAC", "a/.hidden.wav", ".hidden/d.wav", "a.wav", "a/b/e.mp3", "f.txt"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "gone.wav").symlink_to(tmp_path / "nothing")
    (tmp_path / "loop").symlink_to(tmp_path)
    found = [tmp_path / name for name in ("a/b/e.mp3", "a/c.FLAC", "a.wav", "b.wav")]
    assert audio.find(tmp_path) == audio.find(str(tmp_path)) == sorted(found)
    assert audio.find(tmp_path, frozenset({".txt"})) == [tmp_path / "f.txt"]
    assert audio.find(tmp_path / ".hidden") == [tmp_path / ".hidden/d.wav"]
    for nothing in (tmp_path / "a.wav", tmp_path / "nothing"):
        with pytest.raises(NotADirectoryError, match="not a folder"):
            audio.find(nothing)


def test_a_folder_that_cannot_be_read_is_not_passed_over(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "b.wav").touch()
    scan = os.scandir

    def refuse(path):
        if Path(path).name == "a":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError):
        audio.find(tmp_path)
    errors = []
    assert audio.find(tmp_path, on_error=errors.append) == [tmp_path / "b.wav"]
    assert [error.filename for error in errors] == [str(tmp_path / "a")]
