"""VCTK 0.92 (Yamagishi et al. 2019, CC-BY-4.0): 44 hours of read English by 110 speakers, 48 kHz.

    python -m vqaudio.data.corpora.vctk download CORPUS_DIR
    python -m vqaudio.data.corpora.vctk prepare CORPUS_DIR OUT [--held-out-clips SHARE]

Downloading (11 GB) goes on where it stopped. Preparing makes OUT/train and OUT/held-out, which have the
same speakers, and OUT/held-out-audio, as `vqaudio.data.corpora.folder` does with --held-out-clips:
16 kHz, without the silence at both ends. OUT/held-out/transcripts.tsv has the texts.

Of the two microphones it takes the first, which all speakers have (p280 lacks the second), and of the
speakers the 109 who have texts, which p315 has not. 109 is also how many the paper names, of an earlier
edition of the corpus. Of theirs, a recording without its text is taken like any other.
"""

import sys
from pathlib import Path

from vqaudio import audio
from vqaudio.data.corpora.folder import held_out_clips
from vqaudio.data.corpora.preparing import (
    commands,
    is_prepared,
    mark_prepared,
    told,
    write_sides,
    write_transcripts,
)
from vqaudio.data.download import Remote, fetch
from vqaudio.errors import VqaudioError

URL = "https://datashare.is.ed.ac.uk/bitstream/handle/10283/3443/VCTK-Corpus-0.92.zip"
SHA256 = "f96258be9fdc2cbff6559541aae7ea4f59df3fcaf5cf963aae5ca647357e359c"
"""As torchaudio.datasets.VCTK_092 states it."""
NAME = "VCTK-Corpus-0.92"
MICROPHONE = "mic1"


def download(folder: Path, url: str = URL, sha256: str = SHA256) -> None:
    """FOLDER/VCTK-Corpus-0.92. Raises VqaudioError."""
    remote = Remote(url, sha256, "sha256")
    fetch(remote, folder, folder / NAME, made=folder / NAME / "wav48_silence_trimmed")


def texts_of(root: Path) -> dict[str, str]:
    """Clip (p225/p225_001_mic1) to text."""
    paths = sorted((root / "txt").glob("*/*.txt"))
    return {
        f"{path.parent.name}/{path.stem}_{MICROPHONE}": path.read_text(encoding="utf-8")
        for path in paths
    }


def recordings(root: Path) -> list[Path]:
    """Of one microphone, by the speakers who have texts. Raises VqaudioError if there are none."""
    sounds, texts = root / "wav48_silence_trimmed", root / "txt"
    files = audio.find(sounds) if sounds.is_dir() else []
    files = [
        file
        for file in files
        if file.stem.endswith(f"_{MICROPHONE}") and (texts / file.parent.name).is_dir()
    ]
    if not files:
        raise VqaudioError(f"{root} holds no recordings of VCTK 0.92: download it first")
    return files


def prepare(folder: Path, out: Path, share: float, workers: int = 1) -> None:
    """share: of every speaker's recordings, held out. Raises VqaudioError."""
    source = {"corpus": NAME, "microphone": MICROPHONE, "held_out_clips": share}
    if is_prepared(out, source):
        return
    root = folder / NAME
    files, sounds = recordings(root), root / "wav48_silence_trimmed"
    held_out = held_out_clips(files, sounds, share)
    if not held_out or len(held_out) == len(files):
        raise VqaudioError(f"{root}: {len(files)} recordings cannot be split in two by {share}")
    train = [file for file in files if file not in held_out]
    write_sides(sounds, train, sounds, sorted(held_out), out, workers)
    write_transcripts(out / "held-out", texts_of(root))
    mark_prepared(out, source)


def main(arguments: list[str] | None = None) -> int:
    parser, getting, making = commands(__doc__.split("\n")[0])
    getting.add_argument("--url", default=URL, help=f"a mirror (default: {URL})")
    getting.add_argument("--sha256", default=SHA256, help="of a mirror's archive")
    making.add_argument(
        "--held-out-clips", type=float, default=0.03, metavar="SHARE", help="default: .03"
    )
    options = parser.parse_args(arguments)

    def work() -> None:
        if options.command == "download":
            download(options.corpus_dir, options.url, options.sha256)
        else:
            prepare(options.corpus_dir, options.out, options.held_out_clips, options.workers)

    return told("vctk", work)


if __name__ == "__main__":
    sys.exit(main())
