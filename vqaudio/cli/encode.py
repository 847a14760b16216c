"""vqaudio-encode: sound files to .vqc files."""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vqaudio.cli import common

if TYPE_CHECKING:
    from vqaudio.codec import Codec
    from vqaudio.entropy import EntropyCoder

PROG = "vqaudio-encode"


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0 all done, 1 some input failed; wrong usage exits with 2."""
    arguments = common.parser(
        PROG,
        "Code sound files (wav, flac, ogg, opus, mp3 and more): speech.wav becomes speech.vqc. "
        "Folders are walked and mirrored.",
        "name of a packaged model, or a folder that holds one (default: speech64)",
    )
    arguments.add_argument(
        "--keep-channels", action="store_true", help="code each channel, not the mean of all"
    )
    arguments.add_argument(
        "--entropy", action="store_true", help="entropy-code: smaller files, the same codes, slower"
    )
    arguments.add_argument(
        "--prior",
        metavar="PRIOR",
        help="as --entropy, with this prior and not the model's own: name of a packaged one, or a "
        "folder that holds one",
    )
    options = arguments.parse_args(argv)
    common.check_output(arguments, options)

    def start() -> common.Tool:
        from vqaudio.audio import SUFFIXES
        from vqaudio.codec import load_codec
        from vqaudio.transcode import encode_file

        codec = load_codec(options.model or "speech64", options.device)
        coder = None
        if options.entropy or options.prior is not None:
            coder = _coder(codec, options.prior)

        def rename(name: str) -> str:
            stem, suffix = os.path.splitext(name)
            return (stem if suffix.lower() in SUFFIXES else name) + ".vqc"

        def work(job: common.Job, progress: "common.Progress | None") -> "common.Transcoded":
            return encode_file(
                codec, job.source, job.target, options.keep_channels, progress, options.force, coder
            )

        return common.Tool(SUFFIXES, rename, work)

    return common.run(PROG, options, start)


def _coder(codec: "Codec", prior: str | None) -> "EntropyCoder":
    """That of the given prior, or of the packaged one for this codec."""
    if prior is None:
        from vqaudio.entropy import packaged_coder_of

        return packaged_coder_of(codec.fingerprint)
    from vqaudio.prior import load_prior

    loaded = load_prior(prior, "cpu")
    loaded.check(codec)
    return loaded.coder()


if __name__ == "__main__":
    sys.exit(main())
