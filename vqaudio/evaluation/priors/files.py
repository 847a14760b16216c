"""Real .vqc files, packed and entropy-coded: how large they are, and that every code comes back."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np

from vqaudio import container
from vqaudio.codes import Codes
from vqaudio.entropy import EntropyCoder
from vqaudio.evaluation.coding import Progress
from vqaudio.evaluation.priors.clips import CodedClip
from vqaudio.evaluation.priors.scores import Bits, blocks
from vqaudio.evaluation.summary import statistics

PACKED = "packed"


def weigh(
    clips: Sequence[CodedClip],
    coders: Mapping[str, tuple[EntropyCoder, Bits]],
    on_progress: Callable[[Progress], None],
) -> dict[str, list[dict]]:
    """{PACKED, and name of each coder: figures of each clip's file}, as JSON types.

    coders: what codes by a prior, and what the prior says that codes cost.
    bytes: of the file; restored: whether all codes came back; encode_seconds, decode_seconds: of the
    file alone, without the codec; payload_bits, prior_bits (not for PACKED): what the coder made of
    all blocks, and what their codes cost by the prior.
    """
    told: dict[str, list[dict]] = {name: [] for name in (PACKED, *coders)}
    on_progress(Progress("weighing", 0, len(clips)))
    with TemporaryDirectory() as folder:
        path = Path(folder, "clip.vqc")
        for done, (_, codes) in enumerate(clips, 1):
            told[PACKED].append(_weigh(path, codes, None))
            for name, (coder, bits) in coders.items():
                parts = blocks(codes)
                payloads = [coder.encode(part.indices.numpy()) for part in parts]
                told[name].append(
                    {
                        **_weigh(path, codes, coder),
                        "payload_bits": 8 * sum(map(len, payloads)),
                        "prior_bits": float(sum(bits(part).sum() for part in parts)),
                    }
                )
            on_progress(Progress("weighing", done, len(clips)))
    return told


def weight_summary(clips: Sequence[CodedClip], files: Mapping[str, Sequence[dict]]) -> dict:
    """{name: figures over all clips}, as JSON types.

    saving: share of the bytes of packed files that is saved, `statistics` of clips; overhead: what
    the coder takes beyond the prior's own bits, as a share of those.
    """
    seconds = sum(clip.codes.duration for clip in clips)
    number = sum(clip.num_codes for clip in clips)
    packed = [file["bytes"] for file in files[PACKED]]
    told = {}
    for name, some in files.items():
        sizes = [file["bytes"] for file in some]
        told[name] = {
            "bytes": sum(sizes),
            "bitrate": 8 * sum(sizes) / seconds,
            "bits_per_code": 8 * sum(sizes) / number,
            "saving": statistics(1 - np.divide(sizes, packed)),
            "restored": sum(file["restored"] for file in some),
            "encode_rtf": sum(file["encode_seconds"] for file in some) / seconds,
            "decode_rtf": sum(file["decode_seconds"] for file in some) / seconds,
            "overhead": None,
        }
        if name != PACKED:
            payload, wanted = (
                sum(file[key] for file in some) for key in ("payload_bits", "prior_bits")
            )
            told[name]["overhead"] = payload / wanted - 1
    return told


def _weigh(path: Path, codes: Codes, coder: EntropyCoder | None) -> dict:
    start = perf_counter()
    container.write(path, codes, coder=coder)
    written = perf_counter()
    restored = container.read(path, lambda fingerprint: coder)
    end = perf_counter()
    return {
        "bytes": path.stat().st_size,
        "restored": codes.equal(restored),
        "encode_seconds": written - start,
        "decode_seconds": end - written,
    }
