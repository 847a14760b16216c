"""First pass of a scorecard: every clip through every codec, one at a time, into recordings.

A folder of recordings holds original/<clip>.wav, and <codec>/<clip>.wav for what each codec made of
it: mono float WAV at 16 kHz, what is decoded moved to where the original is. What one listens to is
what is judged.
"""

import io
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NamedTuple

import numpy as np
import soundfile
import soxr

from vqaudio import audio
from vqaudio.codec import Codec
from vqaudio.codes import Codes, bits_per_code
from vqaudio.errors import AudioError, VqaudioError
from vqaudio.evaluation.metrics import SAMPLE_RATE, delay
from vqaudio.evaluation.peers.coder import WHOLE_FILE, Coded, Coder
from vqaudio.evaluation.waveform_clips import speaker_in

ORIGINAL = "original"
"""Name of the folder of originals, which no codec may have."""
MAX_LOSS = 0.25
"""Seconds of a clip that may be missing after alignment: delay and a last part of a frame."""
NO_LOSS = 0.005
"""Seconds at the ends of a clip that count as there, and silent, where they are missing."""


class Failure(NamedTuple):
    """Something that came to nothing: a clip with one codec, or (codec None) with all of them."""

    codec: str | None
    path: str
    error: str


class Progress(NamedTuple):
    """How far a pass, "coding" or "judging", is; clips count once a codec."""

    stage: str
    done: int
    total: int
    codec: str | None = None
    failures: Sequence[Failure] = ()


class Clip(NamedTuple):
    """What one codec made of one file.

    path: of the file; recording: of the WAV file within original/ and <codec>/;
    start, length: samples of the original that what was decoded covers.
    """

    codec: str
    path: str
    recording: str
    start: int
    length: int
    seconds: float
    num_bytes: int
    encode_seconds: float
    decode_seconds: float
    usage: np.ndarray | None


class CodecCoder:
    """A vqaudio codec as a scorecard sees it: through a real file, every byte counted."""

    counted = WHOLE_FILE

    def __init__(self, codec: Codec, name: str, speaker: str | None = None):
        self.codec, self.name, self.speaker = codec, name, speaker
        model = codec.model
        bits = bits_per_code(model.codebook_size)
        self.nominal: float | None = model.sample_rate / model.hop * bits

    def missing(self) -> str | None:
        return None

    def version(self) -> str | None:
        return f"fingerprint {self.codec.fingerprint.hex()}, on {self.codec.device}"

    def told(self, path: Path) -> "CodecCoder":
        """For a clip of one of the speakers whom the codec has to be told: the folders of `path` say
        of whom."""
        return CodecCoder(self.codec, self.name, speaker_in(path, self.codec.speakers))

    def code(self, wave: np.ndarray) -> Coded:
        with TemporaryDirectory() as directory:
            path = Path(directory, "clip.vqc")
            start = perf_counter()
            self.codec.encode(wave, SAMPLE_RATE).save(path)
            encoded = perf_counter()
            codes = Codes.load(path)
            decoded = self.codec.decode(codes, self.speaker)[0].numpy()
            end = perf_counter()
            usage = np.bincount(codes.indices.flatten().numpy(), minlength=codes.codebook_size)
            return Coded(decoded, path.stat().st_size, encoded - start, end - encoded, usage)


def code_all(
    coders: Sequence[Coder],
    directory: Path,
    paths: Sequence[Path],
    recordings: Path,
    on_progress: Callable[[Progress], None],
) -> tuple[list[Clip], list[Failure]]:
    """Code every clip with every codec and record it; what came of it, clip by clip.

    Clips in the outer loop: the time left is then soon known, as codecs differ more than clips.
    Clips that fail are left out. OSError where recordings cannot be written.
    """
    clips, failures, done = [], [], 0
    total = len(paths) * len(coders)
    on_progress(Progress("coding", done, total))
    _warm_up(coders)
    for path, recording in recording_names(directory, paths).items():
        try:
            original = read_clip(directory / path)
        except (VqaudioError, OSError) as error:
            failures.append(Failure(None, path, _reason(error)))
            done += len(coders)
            on_progress(Progress("coding", done, total, None, failures[-1:]))
            continue
        _record(recordings / ORIGINAL / recording, original)
        for coder in coders:
            failed = []
            if isinstance(coder, CodecCoder):
                coder = coder.told(directory / path)
            try:
                coded = coder.code(original)
                start, decoded = place(original, coded.wave)
            except Exception as error:  # one codec's trouble must not cost the others' work
                failed = [Failure(coder.name, path, _reason(error))]
                failures += failed
            else:
                _record(recordings / coder.name / recording, decoded)
                clips.append(
                    Clip(
                        codec=coder.name,
                        path=path,
                        recording=recording,
                        start=start,
                        length=len(decoded) - start,
                        seconds=len(original) / SAMPLE_RATE,
                        num_bytes=coded.num_bytes,
                        encode_seconds=coded.encode_seconds,
                        decode_seconds=coded.decode_seconds,
                        usage=coded.usage,
                    )
                )
            done += 1
            on_progress(Progress("coding", done, total, coder.name, failed))
    return clips, failures


def read_clip(path: str | os.PathLike) -> np.ndarray:
    """A file's sound, mixed down, float32 [T] at 16 kHz. AudioError when it cannot be read."""
    wave, rate = audio.read(path)
    wave = soxr.resample(audio.to_mono(wave)[0].numpy(), rate, SAMPLE_RATE)
    if not len(wave) or not np.isfinite(wave).all():
        raise AudioError("no samples, or samples that are infinite or not a number")
    return wave


def place(original: np.ndarray, decoded: np.ndarray) -> tuple[int, np.ndarray]:
    """Where in `original` what was decoded starts, and the decoded clip, with silence before that.

    Its samples [start:] are those of `original` from `start` on. VqaudioError when more than
    MAX_LOSS is missing, or not all samples are numbers.
    """
    if not np.isfinite(decoded).all():
        raise VqaudioError("decoded to samples that are infinite or not a number")
    if not len(decoded):
        raise VqaudioError("decoded to no samples")
    late = delay(original, decoded)
    start = max(0, -late)
    aligned = decoded[max(0, late) :][: max(0, len(original) - start)]
    lost = len(original) - len(aligned)
    if lost > MAX_LOSS * SAMPLE_RATE or not len(aligned):
        seconds = lost / SAMPLE_RATE
        raise VqaudioError(f"{seconds:.2f} s of the clip are missing from what was decoded")
    before = np.zeros(start, np.float32)
    if lost <= NO_LOSS * SAMPLE_RATE:
        # All codecs are then measured on the same samples of the same clip.
        return 0, np.concatenate([before, aligned, np.zeros(lost - start, np.float32)])
    return start, np.concatenate([before, aligned])


def recording_names(directory: Path, paths: Iterable[Path]) -> dict[str, str]:
    """{path of a clip below `directory`: that of its recordings}, different for each."""
    relative = [path.relative_to(directory) for path in paths]
    plain = [path.with_suffix(".wav") for path in relative]
    full = [path.with_name(f"{path.name}.wav") for path in relative]
    times = Counter([*plain, *full])
    return {
        path.as_posix(): (short if times[short] == 1 else long).as_posix()
        for path, short, long in zip(relative, plain, full, strict=True)
    }


def _warm_up(coders: Sequence[Coder]) -> None:
    """What is done once, such as loading a model, is no part of the speed on the first clip."""
    noise = np.random.default_rng(0).standard_normal(SAMPLE_RATE // 2).astype(np.float32)
    for coder in coders:
        with suppress(Exception):  # it will be told of the first clip
            coder.code(0.1 * noise)


def _record(path: Path, wave: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    stream = io.BytesIO()  # soundfile's own way to tell of a full disk is a page of callbacks
    soundfile.write(stream, wave, SAMPLE_RATE, format="WAV", subtype="FLOAT")
    path.write_bytes(stream.getvalue())


def _reason(error: Exception) -> str:
    """In words that name no folder of this machine, where that can be helped."""
    if isinstance(error, VqaudioError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {error}"
