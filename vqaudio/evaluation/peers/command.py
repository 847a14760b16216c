"""Codecs that are command lines, over files."""

import io
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from vqaudio.errors import VqaudioError
from vqaudio.evaluation.peers.coder import SAMPLE_RATE, WHOLE_FILE, Coded

TIMEOUT = 600
"""Seconds that an external command may take for one clip."""


@dataclass(frozen=True)
class CommandPeer:
    """A codec of two commands, with {input} and {output} where their files go.

    No shell reads them: where one is needed, write "sh -c '...'".

    sample_rate: of the audio that it takes and gives, Hz; nominal: bit/s;
    audio: "s16" for headerless 16-bit little-endian mono, or "wav";
    package: where to get it, for people who do not have it;
    padding: seconds of silence that follow a clip into the encoder, to bring out the end of it
    where the codec delays or drops a part of a frame (their bytes count too);
    count: bytes of the coded file that count, by default all, and counted: how, in words;
    tell_version: a command whose first line of output is its version;
    check: why else it cannot run on this machine, or None.
    """

    name: str
    encoder: str
    decoder: str
    sample_rate: int
    nominal: float | None
    audio: str = "s16"
    package: str = ""
    padding: float = 0.0
    count: Callable[[bytes], int] = len
    counted: str = WHOLE_FILE
    tell_version: str = ""
    check: Callable[[], str | None] = lambda: None

    def missing(self) -> str | None:
        for command in (self.encoder, self.decoder):
            program = shlex.split(command)[0]
            if shutil.which(program) is None:
                where = f" (in {self.package})" if self.package else ""
                return f"{Path(program).name}{where} is not installed"
        return self.check()

    def version(self) -> str | None:
        if not self.tell_version:
            return None
        try:
            done = subprocess.run(shlex.split(self.tell_version), capture_output=True, timeout=10)
        except (OSError, subprocess.TimeoutExpired):
            return None
        lines = (done.stdout or done.stderr).decode(errors="replace").splitlines()
        return lines[0].strip() if lines else None

    def code(self, wave: np.ndarray) -> Coded:
        with tempfile.TemporaryDirectory() as directory:
            original, coded, decoded = (
                Path(directory, name)
                for name in (f"original.{self.audio}", "coded", f"decoded.{self.audio}")
            )
            silence = np.zeros(round(self.padding * SAMPLE_RATE), np.float32)
            self._write(original, np.concatenate([wave, silence]))
            encode_seconds = self._run(self.encoder, original, coded)
            decode_seconds = self._run(self.decoder, coded, decoded)
            num_bytes = self.count(coded.read_bytes())
            return Coded(self._read(decoded), num_bytes, encode_seconds, decode_seconds)

    def _write(self, path: Path, wave: np.ndarray) -> None:
        wave = soxr.resample(wave, SAMPLE_RATE, self.sample_rate)
        samples = (wave * 32768).round().clip(-32768, 32767).astype("<i2")
        data = io.BytesIO()
        layout = "WAV" if self.audio == "wav" else "RAW"
        soundfile.write(data, samples, self.sample_rate, "PCM_16", "LITTLE", layout)
        path.write_bytes(data.getvalue())

    def _read(self, path: Path) -> np.ndarray:
        rate = self.sample_rate
        if self.audio == "wav":
            try:
                samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                raise VqaudioError(f"what was decoded is no audio: {error.error_string}") from error
            samples = samples[:, 0]
        else:
            data = path.read_bytes()
            samples = np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.float32) / 32768
        return soxr.resample(samples, rate, SAMPLE_RATE)

    def _run(self, command: str, source: Path, target: Path) -> float:
        words = [
            word.replace("{input}", str(source)).replace("{output}", str(target))
            for word in shlex.split(command)
        ]
        program = Path(words[0]).name  # what goes wrong is told in a report: no folders of ours
        start = time.perf_counter()
        try:
            done = subprocess.run(
                words, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT
            )
        except subprocess.TimeoutExpired as error:
            raise VqaudioError(f"{program}: not done after {TIMEOUT} s") from error
        except OSError as error:
            raise VqaudioError(f"{program}: {error.strerror or error}") from error
        elapsed = time.perf_counter() - start
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            said = [line.replace(f"{source.parent}{os.sep}", "") for line in said]
            raise VqaudioError(": ".join([f"{program} failed, status {done.returncode}", *said]))
        if not target.exists() or not target.stat().st_size:
            raise VqaudioError(f"{program} wrote nothing")
        return elapsed
