"""A prepared corpus as codes: what a prior trains on.

    python -m vqaudio.data.encode_corpus MODEL CORPUS OUT
    torchrun --nproc-per-node 4 -m vqaudio.data.encode_corpus ...

Writes OUT/codes-00000.safetensors, ...: each holds `indices`, uint16, the codes of 256 clips one
after the other, `ends`, int64, where each clip ends among them, and as metadata the clips' ids and
speakers (JSON lists) and the codec's fingerprint. Shards of the same codec and clips that are there
already are kept, so that a run that was stopped goes on; ranks take shards in turn.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import safetensors.numpy
import torch
from safetensors import SafetensorError, safe_open
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm

from vqaudio.codec import Codec, load_codec
from vqaudio.data.manifest import Clip, Corpus
from vqaudio.errors import VqaudioError
from vqaudio.files import atomic_write
from vqaudio.training import distributed

CLIPS_PER_SHARD = 256
BATCH_SECONDS = 120
"""Audio coded at once, padding included: enough to fill a GPU, little enough for any memory."""


def encode_corpus(codec: Codec, corpus: Corpus, out: Path) -> None:
    """Write this rank's share of the shards."""
    out.mkdir(parents=True, exist_ok=True)
    starts = range(0, len(corpus.clips), CLIPS_PER_SHARD)
    paths = [out / f"codes-{number:05d}.safetensors" for number in range(len(starts))]
    if distributed.is_main():
        for path in set(out.glob("codes-*.safetensors")) - set(paths):
            path.unlink()  # of a larger corpus
    mine = range(distributed.rank(), len(starts), distributed.world_size())
    hidden = not (distributed.is_main() and sys.stderr.isatty())
    for number in tqdm(mine, unit="shard", disable=hidden):
        clips = corpus.clips[starts[number] : starts[number] + CLIPS_PER_SHARD]
        metadata = {
            "ids": json.dumps([clip.id for clip in clips]),
            "speakers": json.dumps([clip.speaker for clip in clips]),
            "fingerprint": codec.fingerprint.hex(),
        }
        if _metadata(paths[number]) == metadata:
            continue
        rows = _encode(codec, corpus, clips)
        tensors = {
            "indices": np.concatenate(rows).astype(np.uint16),
            "ends": np.cumsum([len(row) for row in rows], dtype=np.int64),
        }
        with atomic_write(paths[number]) as stream:
            stream.write(safetensors.numpy.save(tensors, metadata))


def _encode(codec: Codec, corpus: Corpus, clips: Sequence[Clip]) -> list[np.ndarray]:
    """The codes of each clip, in order."""
    rows: dict[int, np.ndarray] = {}  # by offset: x.wav and x.flac have one id
    for batch in _batches(clips):
        waves = [torch.from_numpy(corpus.samples(clip)) for clip in batch]
        lengths = [len(wave) for wave in waves]
        codes = codec.encode(pad_sequence(waves, batch_first=True), corpus.sample_rate, lengths)
        rows |= {
            clip.offset: row.indices[0].numpy() for clip, row in zip(batch, codes, strict=True)
        }
    return [rows[clip.offset] for clip in clips]


def _batches(clips: Sequence[Clip]) -> Iterator[list[Clip]]:
    """Clips of about the same length together, so that little of a batch is padding."""
    batch: list[Clip] = []
    for clip in sorted(clips, key=lambda clip: clip.num_samples):
        padded = (len(batch) + 1) * clip.num_samples / clip.sample_rate
        if batch and padded > BATCH_SECONDS:
            yield batch
            batch = []
        batch.append(clip)
    if batch:
        yield batch


def _metadata(path: Path) -> dict[str, str] | None:
    """Of a shard; None if there is no such shard."""
    try:
        with safe_open(path, "numpy") as shard:
            return shard.metadata()
    except (OSError, SafetensorError):
        return None


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", help="a packaged model's name, or a folder with a model")
    parser.add_argument("corpus", type=Path, help="a folder that stage 0 made")
    parser.add_argument("out", type=Path)
    parser.add_argument("-d", "--device", choices=("auto", "cpu", "cuda"), default="auto")
    options = parser.parse_args(arguments)
    try:
        device = distributed.start(options.device)
        codec = load_codec(options.model, "cpu")
        codec.model.to(device)
        encode_corpus(codec, Corpus(options.corpus), options.out)
    except (VqaudioError, OSError) as error:
        print(f"encode_corpus: {error}", file=sys.stderr)
        return 1
    finally:
        distributed.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
