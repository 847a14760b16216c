"""vqaudio-decode: .vqc files to WAV files."""

import sys
from collections.abc import Sequence
from pathlib import Path

from vqaudio.cli import common, numbers

PROG = "vqaudio-decode"


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0 all done, 1 some input failed; wrong usage exits with 2."""
    arguments = common.parser(
        PROG,
        "Decode .vqc files to 16-bit WAV files of the original's rate and length: speech.vqc "
        "becomes speech.decoded.wav. Folders are walked and mirrored.",
        "folder of the model that the files were made with (default: it is found in the package)",
    )
    arguments.add_argument(
        "--prior",
        metavar="PRIOR",
        help="folder of the prior that the files were entropy-coded with, if they were "
        "(default: it is found in the package)",
    )
    arguments.add_argument(
        "--speaker",
        metavar="NAME",
        help="whose voice to speak in, of those that a model with voices knows",
    )
    arguments.add_argument(
        "--semitones",
        type=numbers.between(-24, 24),
        metavar="N",
        help="raise the pitch by N, with --speaker (default: to the speaker's own)",
    )
    options = arguments.parse_args(argv)
    if options.semitones is not None and options.speaker is None:
        arguments.error("--semitones is for --speaker")
    common.check_output(arguments, options)
    suffix = Path(options.output or "").suffix.lower()
    if not common.into_folder(options.inputs, options.output) and suffix not in ("", ".wav"):
        arguments.error("the output is a WAV file: -o should end in .wav")

    def start() -> common.Tool:
        from vqaudio.audio import open_source
        from vqaudio.codec import Codec, load_codec
        from vqaudio.container import Reader
        from vqaudio.errors import ModelError
        from vqaudio.pretrained import name_of
        from vqaudio.transcode import decode_file

        given = load_codec(options.model, options.device) if options.model else None
        coder_for = None
        if options.prior is not None:
            from vqaudio.entropy import coder_of
            from vqaudio.prior import load_prior

            coder_for = coder_of(load_prior(options.prior, "cpu"))
        packaged: dict[bytes, Codec] = {}

        def maker_of(model: bytes) -> Codec:
            if model not in packaged:
                name = name_of(model)
                if name is None:
                    raise ModelError(
                        f"coded with model {model.hex()}, which is not packaged: give it with -m"
                    )
                packaged[model] = load_codec(name, options.device)
            return packaged[model]

        def rename(name: str) -> str:
            return name.removesuffix(".vqc") + ".decoded.wav"

        def work(job: common.Job, progress: "common.Progress | None") -> "common.Transcoded":
            with open_source(job.source) as stream:
                codec = given or maker_of(Reader(stream).header.model)
                stream.seek(0)
                return decode_file(
                    codec,
                    stream,
                    job.target,
                    progress,
                    options.force,
                    coder_for,
                    options.speaker,
                    options.semitones,
                )

        return common.Tool(frozenset({".vqc"}), rename, work)

    return common.run(PROG, options, start)


if __name__ == "__main__":
    sys.exit(main())
