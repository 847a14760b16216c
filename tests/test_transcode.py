"""From file to file: the same as in memory, in constant memory, and whole or not at all."""

import os
import subprocess
import sys
import wave as wavefile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from tests.bigram import unigram_model
from tests.small import small_model
from vqaudio import Codec, Codes, Prior
from vqaudio.audio import read
from vqaudio.entropy import EntropyCoder
from vqaudio.errors import AudioError, ContainerError, ModelError
from vqaudio.transcode import decode_file, encode_file

CODEC = Codec(small_model(), {"name": "small"})


@pytest.fixture
def make_wav(tmp_path, speech):
    """A sound file of real speech played at some rate; channels differ."""

    def make(rate: int = 16000, channels: int = 1, seconds: float = 1.0, suffix: str = ".wav"):
        samples = speech[0].numpy()[8000 : 8000 + int(seconds * rate) + 3]
        samples = np.stack([samples * 0.5**channel for channel in range(channels)], axis=1)
        soundfile.write(path := tmp_path / f"speech{suffix}", samples, rate)
        return path

    return make


@pytest.mark.parametrize("keep_channels", [False, True])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
def test_rate_channels_and_samples_come_back(rate, channels, keep_channels, make_wav, tmp_path):
    source = make_wav(rate, channels)
    coded = encode_file(CODEC, source, tmp_path / "a.vqc", keep_channels)
    decoded = decode_file(CODEC, tmp_path / "a.vqc", tmp_path / "b.wav")
    with wavefile.open(str(tmp_path / "b.wav")) as result:
        assert result.getframerate() == rate
        assert result.getnframes() == soundfile.info(source).frames
        assert result.getnchannels() == (channels if keep_channels else 1)
    assert coded == decoded
    assert coded.num_bytes == (tmp_path / "a.vqc").stat().st_size
    assert coded.seconds == soundfile.info(source).frames / rate


@pytest.mark.parametrize("rate", [16000, 44100])
def test_files_are_as_in_memory(rate, make_wav, tmp_path):
    source = make_wav(rate, channels=2, seconds=11)  # more than a block, more than a piece
    wave, _ = read(source)
    for keep_channels, rows in ((True, wave), (False, wave.mean(0, keepdim=True))):
        encode_file(CODEC, source, tmp_path / "a.vqc", keep_channels)
        codes = CODEC.encode(rows, rate)
        assert Codes.load(tmp_path / "a.vqc").equal(codes)
        decode_file(CODEC, tmp_path / "a.vqc", tmp_path / "a.wav")
        decoded, _ = read(tmp_path / "a.wav")
        assert (decoded - CODEC.decode(codes).clamp(-1, 1)).abs().max() < 1e-4


@pytest.mark.parametrize("samples", [np.zeros(1), np.ones(1), np.zeros(20000), -np.ones(63)])
@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_next_to_nothing_works(samples, rate, tmp_path):
    soundfile.write(tmp_path / "a.wav", samples, rate)
    encode_file(CODEC, tmp_path / "a.wav", tmp_path / "a.vqc")
    decode_file(CODEC, tmp_path / "a.vqc", tmp_path / "b.wav")
    assert soundfile.info(tmp_path / "b.wav").frames == len(samples)


def test_same_input_same_bytes(make_wav, tmp_path):
    source = make_wav(suffix=".flac")
    for name in "ab":
        encode_file(CODEC, source, tmp_path / f"{name}.vqc")
        decode_file(CODEC, tmp_path / f"{name}.vqc", tmp_path / f"{name}.wav")
    for suffix in (".vqc", ".wav"):
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_progress_ends_at_the_end(make_wav, tmp_path):
    calls = []
    encode_file(CODEC, make_wav(), tmp_path / "a.vqc", progress=lambda *now: calls.append(now))
    seconds = 16003 / 16000
    assert calls[-1] == (seconds, seconds)
    decode_file(CODEC, tmp_path / "a.vqc", tmp_path / "a.wav", lambda *now: calls.append(now))
    assert calls[-1] == (seconds, seconds)


def test_entropy_coded_files_are_the_same_but_smaller(make_wav, tmp_path):
    source = make_wav(seconds=15)  # three blocks
    codes = CODEC.encode(*read(source))
    prior = Prior(unigram_model(codes.indices), {"codec": CODEC.fingerprint.hex()})
    coder = prior.coder()
    plain = encode_file(CODEC, source, tmp_path / "a.vqc")
    coded = encode_file(CODEC, source, tmp_path / "b.vqc", coder=coder)
    assert coded.num_bytes == (tmp_path / "b.vqc").stat().st_size < plain.num_bytes
    codes.save(tmp_path / "c.vqc", entropy=prior)
    assert (tmp_path / "b.vqc").read_bytes() == (tmp_path / "c.vqc").read_bytes()
    calls = []
    done = decode_file(
        CODEC,
        tmp_path / "b.vqc",
        tmp_path / "b.wav",
        lambda *now: calls.append(now),
        coder_for=lambda fingerprint: {prior.fingerprint: coder}[fingerprint],
    )
    decode_file(CODEC, tmp_path / "a.vqc", tmp_path / "a.wav")
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()
    assert done == coded
    assert calls == sorted(calls)
    assert len(calls) > 40
    assert calls[-1] == (done.seconds, done.seconds)


def test_damage_to_what_is_decoded_late_leaves_nothing(make_wav, tmp_path):
    """Checksums that agree, and a payload that no encoder writes, in the last of the blocks."""
    encode_file(CODEC, make_wav(), tmp_path / "a.vqc")
    codes = Codes.load(tmp_path / "a.vqc")
    coder = Prior(unigram_model(codes.indices), {"codec": CODEC.fingerprint.hex()}).coder()

    class Faulty(EntropyCoder):
        def encode(self, block):
            return super().encode(block) + b"\0"

    faulty = Faulty(coder.model, coder.fingerprint)
    encode_file(CODEC, make_wav(), tmp_path / "b.vqc", coder=faulty)
    with pytest.raises(ContainerError, match="damaged"):
        decode_file(CODEC, tmp_path / "b.vqc", tmp_path / "b.wav", coder_for=lambda _: coder)
    assert left(tmp_path, "a.vqc", "b.vqc", "speech.wav")


def left(folder: Path, *names: str) -> bool:
    return sorted(path.name for path in folder.iterdir()) == sorted(names)


def test_a_bad_sound_leaves_nothing(tmp_path):
    samples = np.zeros(300_000, np.float32)
    samples[-1] = np.nan
    soundfile.write(tmp_path / "a.wav", samples, 16000, subtype="FLOAT")
    with pytest.raises(AudioError, match="not a number"):
        encode_file(CODEC, tmp_path / "a.wav", tmp_path / "a.vqc")
    assert left(tmp_path, "a.wav")


def test_a_file_that_grows_between_the_readings_leaves_nothing(make_wav, tmp_path):
    source = make_wav(seconds=11)

    def grow(*_):
        samples, rate = soundfile.read(source)
        soundfile.write(source, np.concatenate([samples, samples]), rate)

    class Growing(Codec):
        def encode_stream(self, *terms):
            grow()
            return super().encode_stream(*terms)

    with pytest.raises(AudioError, match="changed"):
        encode_file(Growing(small_model()), source, tmp_path / "a.vqc")
    assert left(tmp_path, "speech.wav")


def test_a_damaged_end_is_noticed_before_there_is_output(make_wav, tmp_path):
    encode_file(CODEC, make_wav(), tmp_path / "a.vqc")
    data = (tmp_path / "a.vqc").read_bytes()
    (tmp_path / "a.vqc").write_bytes(data[:-1])
    with pytest.raises(ContainerError, match="cut short"):
        decode_file(CODEC, tmp_path / "a.vqc", tmp_path / "a.wav")
    assert left(tmp_path, "a.vqc", "speech.wav")


def test_another_model_is_refused(make_wav, tmp_path):
    encode_file(CODEC, make_wav(), tmp_path / "a.vqc")
    other = Codec(small_model(seed=1), {"name": "other"})
    with pytest.raises(ModelError, match=rf"{CODEC.fingerprint.hex()}.*other"):
        decode_file(other, tmp_path / "a.vqc", tmp_path / "a.wav")
    assert left(tmp_path, "a.vqc", "speech.wav")


# Not getrusage: its peak is inherited from the process that starts this one.
PEAKS = """
import sys
import torch
from tests.small import small_model
from vqaudio import Codec
from vqaudio.transcode import decode_file, encode_file
torch.set_num_threads(1)
codec, folder = Codec(small_model()), sys.argv[1]
for name in ("short", "long"):
    encode_file(codec, f"{folder}/{name}.wav", f"{folder}/a.vqc")
    decode_file(codec, f"{folder}/a.vqc", f"{folder}/b.wav")
    print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""


def test_memory_does_not_grow_with_length(tmp_path):
    """Kept in float32, two minutes more of this would be 46 MB; a first copy of that shows."""
    for name, seconds in (("short", 20), ("long", 140)):
        noise = np.random.default_rng(0).standard_normal(seconds * 96000) * 0.1
        soundfile.write(tmp_path / f"{name}.wav", noise, 96000)
    done = subprocess.run(
        [sys.executable, "-c", PEAKS, str(tmp_path)],
        check=True,
        capture_output=True,
        cwd=Path(__file__).parents[1],
        # Large blocks go back to the system at once. Those that the allocator would keep lie about
        # differently each time, which alone can make 16 MB.
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"},
    )
    short, long = (int(peak) / 1024 for peak in done.stdout.split())
    assert long - short < 16


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_what_is_written_is_sound_on_a_gpu(make_wav, tmp_path):
    codec = Codec(small_model().to("cuda"))
    encode_file(codec, make_wav(), tmp_path / "a.vqc")
    near = Codes.load(tmp_path / "a.vqc").indices == CODEC.encode(*read(make_wav())).indices
    assert near.float().mean() > 0.98
