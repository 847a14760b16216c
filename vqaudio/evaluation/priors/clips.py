"""Recordings as codes: what priors are scored on."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from vqaudio import audio
from vqaudio.codec import Codec
from vqaudio.codes import Codes
from vqaudio.errors import VqaudioError
from vqaudio.evaluation.coding import Failure, Progress


class CodedClip(NamedTuple):
    """path: of the file, below the folder that was searched; codes: of its channels' mean."""

    path: str
    codes: Codes

    @property
    def num_codes(self) -> int:
        return self.codes.indices.numel()


def encode_all(
    codec: Codec,
    directory: Path,
    paths: Sequence[Path],
    on_progress: Callable[[Progress], None],
) -> tuple[list[CodedClip], list[Failure]]:
    """Every file as vqaudio-encode would code it; those that cannot be are failures."""
    clips, failures = [], []
    on_progress(Progress("encoding", 0, len(paths)))
    for done, path in enumerate(paths, 1):
        name, failed = path.relative_to(directory).as_posix(), []
        try:
            wave, rate = audio.read(path)
            clips.append(CodedClip(name, codec.encode(audio.to_mono(wave), rate)))
        except VqaudioError as error:
            failed = [Failure(None, name, str(error))]
        except OSError as error:
            failed = [Failure(None, name, error.strerror or str(error))]
        failures += failed
        on_progress(Progress("encoding", done, len(paths), None, failed))
    return clips, failures
