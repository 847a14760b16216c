"""vqaudio-info: say what .vqc files hold, and whether they are sound.

Every byte is checked, but what an entropy-coded payload decodes to: that takes its prior, and time.
Exit 0: all files are sound, 1: some are not, 2: wrong usage.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from typing import BinaryIO

from vqaudio import pretrained
from vqaudio.cli import common
from vqaudio.errors import VqaudioError

PROG = "vqaudio-info"


def inspect(stream: BinaryIO) -> dict:
    """What a whole file says, as JSON values. Raises ContainerError, OSError."""
    from vqaudio.container import Reader

    reader = Reader(stream)
    reader.check()
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
        "coding": "entropy" if header.prior else "packed",
        "prior": header.prior.hex() if header.prior else None,
        "prior_name": pretrained.name_of(header.prior) if header.prior else None,
        "bytes": reader.num_bytes,
        "bitrate": 8 * reader.num_bytes / duration,
        "packed_bytes": reader.packed_bytes,
        "packed_bitrate": 8 * reader.packed_bytes / duration,
    }


def describe(info: dict) -> str:
    """The lines for people of what `inspect` found."""
    levels = ", ".join(f"{level:g}" for level in info["levels"])
    code_rate = info["model_rate"] / info["hop"]
    coding = "packed"
    if info["prior"]:
        prior = _named(info["prior_name"], info["prior"])
        coding = (
            f"entropy, prior {prior}; packed: {info['packed_bitrate'] / 1000:.3f} kbit/s "
            f"({info['packed_bytes']} bytes)"
        )
    rows = {
        "model": _named(info["model_name"], info["model"]),
        "duration": f"{info['duration']:.3f} s ({info['num_samples']} samples)",
        "original rate": f"{info['sample_rate']} Hz",
        "channels": f"{info['channels']} (level {levels} dB)",
        "codes": f"{info['codes']} per channel of {info['codebook_size']}, {code_rate:g} a second",
        "coding": coding,
        "bitrate": f"{info['bitrate'] / 1000:.3f} kbit/s ({info['bytes']} bytes in all)",
        "integrity": "sound",
    }
    return "\n".join(f"  {key + ':':<15}{value}" for key, value in rows.items())


def _named(name: str | None, fingerprint: str) -> str:
    return f"{name} ({fingerprint})" if name else fingerprint


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0 all sound, 1 some are not; wrong usage exits with 2."""
    parser = argparse.ArgumentParser(prog=PROG, description=__doc__.split(": ", 1)[1])
    parser.add_argument("files", nargs="+", metavar="FILE", help=".vqc file, or - for stdin")
    parser.add_argument("--json", action="store_true", help="print a JSON object a line, per file")
    options = parser.parse_args(arguments)
    return common.guarded(PROG, lambda: _inspect_all(options.files, options.json))


def _inspect_all(paths: Sequence[str], as_json: bool) -> int:
    status = 0
    for path in paths:
        is_pipe = path == common.PIPE
        name = "standard input" if is_pipe else path
        try:
            with nullcontext(sys.stdin.buffer) if is_pipe else open(path, "rb") as stream:
                info = {"path": path, "sound": True} | inspect(stream)
        except (VqaudioError, OSError) as error:
            message = getattr(error, "strerror", None) or str(error)
            common.complain(PROG, name, message)
            status = 1
            info = {"path": path, "sound": False, "error": message}
        if as_json:
            print(json.dumps(info))
        elif info["sound"]:
            print(f"{common.printable(name)}\n{describe(info)}")
    return status


if __name__ == "__main__":
    sys.exit(main())
