"""LibriSpeech (Panayotov et al. 2015, CC-BY-4.0): read English with transcripts, 16 kHz.

    python -m vqaudio.data.corpora.librispeech download CORPUS_DIR --parts dev-clean test-clean
    python -m vqaudio.data.corpora.librispeech prepare CORPUS_DIR OUT --parts dev-clean
    python -m vqaudio.data.corpora.librispeech prepare CORPUS_DIR OUT --name train-clean-460 \\
        --parts train-clean-100 train-clean-360

Downloading goes on where it stopped. Preparing makes OUT/<part>, or of all parts together OUT/<name>, a
prepared corpus whose clips are whole, silences included, so that alignments of the recordings fit; the
speaker is the folder of the reader. transcripts.tsv in it has the text of each clip. --audio leaves
some of its clips as sound files too, to be listened to and judged.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from vqaudio import audio
from vqaudio.data.corpora.preparing import (
    commands,
    is_prepared,
    mark_prepared,
    told,
    write_audio,
    write_corpus,
    write_transcripts,
)
from vqaudio.data.download import Remote, fetch
from vqaudio.data.manifest import Corpus
from vqaudio.errors import VqaudioError

SERVER = "https://www.openslr.org/resources/12"
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


def fetch_parts(parts: Sequence[str], folder: Path, server: str, digests: dict[str, str]) -> None:
    """Download and unpack `parts` into `folder`. Raises VqaudioError."""
    for part in parts:
        remote = Remote(f"{server.rstrip('/')}/{part}.tar.gz", digests[part])
        fetch(remote, folder, folder, made=folder / "LibriSpeech" / part)


def transcripts(root: Path) -> Iterator[tuple[str, str]]:
    """Clip and text, of every *.trans.txt below `root`."""
    for path in sorted(root.rglob("*.trans.txt")):
        for line in path.read_text(encoding="utf-8").splitlines():
            clip, _, text = line.partition(" ")
            yield clip, text


def clip_and_reader(name: Path) -> tuple[str, str]:
    """Of a path in LibriSpeech: part/reader/chapter/clip.flac."""
    return name.stem, name.parts[1]


def prepare(folder: Path, parts: Sequence[str], out: Path, workers: int = 1) -> None:
    """Decode parts to one prepared corpus. Raises VqaudioError if one is not there or is damaged."""
    source = {"corpus": "LibriSpeech", "parts": list(parts)}
    if is_prepared(out, source):
        return
    root, files, texts = folder / "LibriSpeech", [], {}
    for part in parts:
        found = audio.find(root / part) if (root / part).is_dir() else []
        if not found:
            raise VqaudioError(f"{root / part} holds no clips: download it first")
        files += found
        texts |= dict(transcripts(root / part))
    rejected = write_corpus(files, root, out, workers, trim=False, label=clip_and_reader)
    if rejected:
        raise VqaudioError(f"{rejected[0].path}: {rejected[0].problem}")
    write_transcripts(out, texts)
    mark_prepared(out, source)


def main(arguments: list[str] | None = None) -> int:
    parser, getting, making = commands(__doc__.split("\n")[0])
    for one in (getting, making):
        one.add_argument("--parts", nargs="+", choices=sorted(MD5), required=True)
    getting.add_argument("--server", default=SERVER, help=f"a mirror (default: {SERVER})")
    getting.add_argument(
        "--md5sums", type=Path, help="a mirror's own md5sum.txt: digest, name of the archive"
    )
    making.add_argument("--name", help="of one corpus of all the parts")
    making.add_argument(
        "--audio",
        action="store_true",
        help="also up to 200 clips of each as FLAC: OUT/<part>-audio",
    )
    options = parser.parse_args(arguments)

    def get() -> None:
        digests = read_digests(options.md5sums) if options.md5sums else MD5
        if missing := sorted(set(options.parts) - set(digests)):
            raise VqaudioError(f"{options.md5sums} has no digest of {missing[0]}")
        fetch_parts(options.parts, options.corpus_dir, options.server, digests)

    def make() -> None:
        corpora = {part: [part] for part in options.parts}
        if options.name:
            corpora = {options.name: options.parts}
        for name, parts in corpora.items():
            prepare(options.corpus_dir, parts, options.out / name, options.workers)
            if options.audio:
                write_audio(Corpus(options.out / name), options.out / f"{name}-audio")

    return told("librispeech", get if options.command == "download" else make)


def read_digests(path: Path) -> dict[str, str]:
    """Part to MD5, of a file as md5sum writes it."""
    rows = [line.split() for line in path.read_text().splitlines() if line.strip()]
    names = (os.path.basename(row[-1].lstrip("*")) for row in rows)  # *: read as binary
    return {name.removesuffix(".tar.gz"): row[0] for name, row in zip(names, rows, strict=True)}


if __name__ == "__main__":
    sys.exit(main())
