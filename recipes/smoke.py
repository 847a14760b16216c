"""Serve a made-up corpus with the layout of a real one: python smoke.py CORPUS FOLDER

Writes into FOLDER the archives of CORPUS, which is librispeech or vctk, a few seconds of real speech
under several speakers' names, and their digests; prints the server's address and serves until it is
ended. The archives have the same bytes every time, so that a download that was stopped goes on.
"""

import gzip
import hashlib
import io
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import soundfile
import soxr

SPEECH = Path(__file__).resolve().parents[1] / "tests" / "speech"
RATE = 16000
TEXT = (
    "THE GIRL WHO CAME INTO THE WORLD ON THAT NIGHT WHEN JESSE RAN THROUGH THE FIELDS CRYING TO GOD "
    "THAT HE BE GIVEN A SON HAD GROWN TO WOMANHOOD ON THE FARM"
)
PARTS = {
    "train-clean-100": (11, 12),
    "train-clean-360": (13,),
    "dev-clean": (21,),
    "test-clean": (31, 32),
}
VOICES = {
    "p225": ("1455-134435-0000", 1.0),
    "p226": ("2414-128291-0005", 1.0),
    "p227": ("1455-134435-0000", 0.85),
    "p315": ("2414-128291-0005", 1.15),
    "s5": ("2414-128291-0005", 0.9),
}
"""Whose speech, and how much faster it is played, which makes another voice of it."""
SENTENCES = 4
SECONDS = 5


def speech(name: str) -> np.ndarray:
    return soundfile.read(SPEECH / f"{name}.flac", dtype="float32")[0]


def flac(wave: np.ndarray, rate: int) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, wave, rate, format="FLAC")
    return stream.getvalue()


def tar_gz(files: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return gzip.compress(stream.getvalue(), mtime=0)


def zipped(files: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)  # which is of 1980
    return stream.getvalue()


def librispeech() -> dict[str, bytes]:
    """A clip of each reader."""
    wave, archives, sums = speech("1455-134435-0000"), {}, ""
    for part, readers in PARTS.items():
        files = {}
        for number, reader in enumerate(readers):
            base, clip = f"LibriSpeech/{part}/{reader}/1", f"{reader}-1-0000"
            files[f"{base}/{clip}.flac"] = flac(wave * (1 - 0.3 * number), RATE)
            files[f"{base}/{reader}-1.trans.txt"] = f"{clip} {TEXT}\n".encode()
        archives[f"{part}.tar.gz"] = tar_gz(files)
        sums += f"{hashlib.md5(archives[f'{part}.tar.gz']).hexdigest()}  {part}.tar.gz\n"
    return {**archives, "md5sum.txt": sums.encode()}


def vctk() -> dict[str, bytes]:
    """Sentences of each speaker, by two microphones; p315 has no text."""
    files = {}
    for speaker, (name, speed) in VOICES.items():
        wave = soxr.resample(speech(name), speed * RATE, 48000)
        last = len(wave) - SECONDS * 48000
        for number in range(SENTENCES):
            start = last * number // (SENTENCES - 1)
            piece = wave[start : start + SECONDS * 48000]
            clip = f"{speaker}_{number + 1:03d}"
            for microphone in ("mic1", "mic2"):
                path = f"wav48_silence_trimmed/{speaker}/{clip}_{microphone}.flac"
                files[path] = flac(piece, 48000)
            if speaker != "p315":
                files[f"txt/{speaker}/{clip}.txt"] = b"Some words.\n"
    archive = zipped(files)
    digest = hashlib.sha256(archive).hexdigest()
    return {"VCTK-Corpus-0.92.zip": archive, "sha256sum.txt": f"{digest}\n".encode()}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


if __name__ == "__main__":
    corpus, served = sys.argv[1], Path(sys.argv[2])
    served.mkdir(parents=True, exist_ok=True)
    for name, data in {"librispeech": librispeech, "vctk": vctk}[corpus]().items():
        (served / name).write_bytes(data)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=served))
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()
