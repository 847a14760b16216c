"""LibriSpeech (Panayotov et al. 2015, CC-BY-4.0): read English with transcripts, 16 kHz.

    python -m vqaudio.data.corpora.librispeech download CORPUS_DIR --parts dev-clean test-clean
    python -m vqaudio.data.corpora.librispeech prepare CORPUS_DIR OUT --parts dev-clean

Downloading goes on where it stopped. Preparing makes OUT/<part>, a prepared corpus whose clips are
whole, silences included, so that alignments of the recordings fit; the speaker is the folder of the
reader. OUT/<part>/transcripts.tsv has the text of each clip.
"""

import argparse
import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from tqdm import tqdm

from vqaudio import audio
from vqaudio.data.download import Remote, download, unpack
from vqaudio.data.manifest import CorpusWriter
from vqaudio.errors import VqaudioError
from vqaudio.files import atomic_write
from vqaudio.level import LevelMeter

SERVER = "https://www.openslr.org/resources/12"
SAMPLE_RATE = 16000
MD5 = {
    "dev-clean": "42e2234ba48799c1f50f24a7926300a1",
    "dev-other": "c8d0bcc9cca99d4f8b62fcc847357931",
    "test-clean": "32fa31d27d2e1cad72775fee3f4849a9",
    "test-other": "fb5a50374b501bb3bac4815ee91d3135",
    "train-clean-100": "2a93770f6d5c6c964bc36631d331a522",
    "train-clean-360": "c0e676e450a7ff2f54aeade5171606fa",
    "train-other-500": "d1a0fd59409feb2c614ce4d30c387708",
}
"""As the server's md5sum.txt lists them; dev and test parts have 0.3 GB each, the others 6 to 30."""


def fetch(parts: list[str], folder: Path, server: str, digests: dict[str, str]) -> None:
    """Download and unpack `parts` into `folder`. Raises VqaudioError."""
    for part in parts:
        remote = Remote(f"{server.rstrip('/')}/{part}.tar.gz", digests[part])
        unpack(download(remote, folder), folder)


def transcripts(root: Path) -> Iterator[tuple[str, str]]:
    """Clip and text, of every *.trans.txt below `root`."""
    for path in sorted(root.rglob("*.trans.txt")):
        for line in path.read_text(encoding="utf-8").splitlines():
            clip, _, text = line.partition(" ")
            yield clip, " ".join(text.split())


def prepare(folder: Path, part: str, out: Path) -> None:
    """Decode a part to a prepared corpus. Raises VqaudioError if there is none."""
    root, target = folder / "LibriSpeech" / part, out / part
    if (target / "transcripts.tsv").exists():
        print(f"{target} is prepared already")
        return
    files = audio.find(root) if root.is_dir() else []
    if not files:
        raise VqaudioError(f"{root} holds no clips: download it first")
    writer = CorpusWriter(target, SAMPLE_RATE)
    for path in tqdm(files, desc=part, unit="clip", disable=not sys.stderr.isatty()):
        wave, rate = audio.read(path)
        if rate != SAMPLE_RATE:
            raise VqaudioError(f"{path}: {rate} Hz, not {SAMPLE_RATE}")
        mono = audio.to_mono(torch.as_tensor(wave))
        meter = LevelMeter(SAMPLE_RATE, channels=1)
        meter.update(mono)
        writer.add(
            mono[0].numpy(),
            id=path.stem,
            path=path.relative_to(folder).as_posix(),
            speaker=path.relative_to(root).parts[0],
            level=meter.levels()[0],
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        )
    writer.close()
    known = {clip.id for clip in writer.clips}
    lines = [f"{clip}\t{text}\n" for clip, text in transcripts(root) if clip in known]
    with atomic_write(target / "transcripts.tsv") as stream:
        stream.write("".join(lines).encode())
    seconds = sum(clip.num_samples for clip in writer.clips) / SAMPLE_RATE
    print(f"{part}: {len(known)} clips, {len(lines)} transcripts, {seconds / 3600:.2f} h")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    getting = commands.add_parser("download", help="download and unpack parts")
    making = commands.add_parser("prepare", help="decode parts that are there")
    for one in (getting, making):
        one.add_argument("corpus_dir", type=Path)
    making.add_argument("out", type=Path)
    for one in (getting, making):
        one.add_argument("--parts", nargs="+", choices=sorted(MD5), required=True)
    getting.add_argument("--server", default=SERVER, help=f"a mirror (default: {SERVER})")
    getting.add_argument(
        "--md5sums", type=Path, help="a mirror's own md5sum.txt: digest, name of the archive"
    )
    options = parser.parse_args(arguments)
    try:
        if options.command == "download":
            digests = read_digests(options.md5sums) if options.md5sums else MD5
            if missing := sorted(set(options.parts) - set(digests)):
                raise VqaudioError(f"{options.md5sums} has no digest of {missing[0]}")
            fetch(options.parts, options.corpus_dir, options.server, digests)
        else:
            for part in options.parts:
                prepare(options.corpus_dir, part, options.out)
    except (VqaudioError, OSError) as error:
        print(f"librispeech: {error}", file=sys.stderr)
        return 1
    return 0


def read_digests(path: Path) -> dict[str, str]:
    """Part to MD5, of a file as md5sum writes it."""
    rows = [line.split() for line in path.read_text().splitlines() if line.strip()]
    return {os.path.basename(row[-1]).removesuffix(".tar.gz"): row[0] for row in rows}


if __name__ == "__main__":
    sys.exit(main())
