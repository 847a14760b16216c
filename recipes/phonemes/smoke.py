"""Serve a made-up corpus with the layout of LibriSpeech: python smoke.py FOLDER

Writes FOLDER/<part>.tar.gz, a few seconds of real speech cut at pauses and repeated under several
speakers' names, and FOLDER/md5sum.txt; prints the server's address and serves until it is ended.
"""

import hashlib
import io
import sys
import tarfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import soundfile

SPEECH = Path(__file__).parents[2] / "tests" / "speech" / "1455-134435-0000.flac"
TEXT = (
    "THE GIRL WHO CAME INTO THE WORLD ON THAT NIGHT WHEN JESSE RAN THROUGH THE FIELDS CRYING TO GOD "
    "THAT HE BE GIVEN A SON HAD GROWN TO WOMANHOOD ON THE FARM"
)
PARTS = {"train-clean-100": (11, 12), "dev-clean": (21,), "test-clean": (31, 32)}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    wave, rate = soundfile.read(SPEECH, dtype="float32")
    digests = []
    for part, speakers in PARTS.items():
        path = folder / f"{part}.tar.gz"
        with tarfile.open(path, "w:gz") as tar:
            for number, speaker in enumerate(speakers):
                name = f"{speaker}-1-0000"
                sound = io.BytesIO()
                soundfile.write(sound, wave * (1 - 0.3 * number), rate, format="FLAC")
                base = f"LibriSpeech/{part}/{speaker}/1"
                add(tar, f"{base}/{name}.flac", sound.getvalue())
                add(tar, f"{base}/{speaker}-1.trans.txt", f"{name} {TEXT}\n".encode())
        digests.append(f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.name}\n")
    (folder / "md5sum.txt").write_text("".join(digests))


if __name__ == "__main__":
    served = Path(sys.argv[1])
    make(served)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=served))
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()
