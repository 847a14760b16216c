"""vqaudio-info: say what .vqc files hold, and whether they are sound.

Every byte is checked. Exit 0: all files are sound, 1: some are not, 2: wrong usage.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from typing import BinaryIO

from vqaudio import pretrained
from vqaudio.container import Reader
from vqaudio.errors import VqaudioError


class _Counted:
    """A stream that counts what is read from it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.num_bytes = 0

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self.num_bytes += len(data)
        return data


def inspect(stream: BinaryIO) -> dict:
    """What a whole file says, as JSON values. Raises ContainerError, OSError."""
    counted = _Counted(stream)
    reader = Reader(counted)
    for _ in reader:
        pass
    header = reader.header
    duration = reader.num_samples / header.sample_rate
    return {
        "model": header.model.hex(),
        "model_name": pretrained.name_of(header.model),
        "duration": duration,
        "num_samples": reader.num_samples,
        "sample_rate": header.sample_rate,
        "channels": header.channels,
        "levels": list(header.levels),
        "codes": reader.num_codes,
        "codebook_size": header.codebook_size,
        "hop": header.hop,
        "model_rate": header.model_rate,
        "bytes": counted.num_bytes,
        "bitrate": 8 * counted.num_bytes / duration,
    }


def describe(info: dict) -> str:
    """The lines for people of what `inspect` found."""
    name = f"{info['model_name']} ({info['model']})" if info["model_name"] else info["model"]
    levels = ", ".join(f"{level:g}" for level in info["levels"])
    code_rate = info["model_rate"] / info["hop"]
    rows = {
        "model": name,
        "duration": f"{info['duration']:.3f} s ({info['num_samples']} samples)",
        "original rate": f"{info['sample_rate']} Hz",
        "channels": f"{info['channels']} (level {levels} dB)",
        "codes": f"{info['codes']} per channel of {info['codebook_size']}, {code_rate:g} a second",
        "bitrate": f"{info['bitrate'] / 1000:.3f} kbit/s ({info['bytes']} bytes in all)",
        "integrity": "sound",
    }
    return "\n".join(f"  {key + ':':<15}{value}" for key, value in rows.items())


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="vqaudio-info", description=__doc__.split(": ", 1)[1])
    parser.add_argument("files", nargs="+", metavar="FILE", help=".vqc file, or - for stdin")
    parser.add_argument("--json", action="store_true", help="print a JSON object a line, per file")
    options = parser.parse_args(arguments)
    status = 0
    for path in options.files:
        try:
            with nullcontext(sys.stdin.buffer) if path == "-" else open(path, "rb") as stream:
                info = {"path": path, "sound": True} | inspect(stream)
        except (VqaudioError, OSError) as error:
            message = getattr(error, "strerror", None) or str(error)
            print(f"vqaudio-info: {path}: {message}", file=sys.stderr)
            status = 1
            info = {"path": path, "sound": False, "error": message}
        if options.json:
            print(json.dumps(info))
        elif info["sound"]:
            print(f"{path}\n{describe(info)}")
    return status


if __name__ == "__main__":
    sys.exit(main())
