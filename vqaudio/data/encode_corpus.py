"""A prepared corpus as codes: what a prior trains on.

    python -m vqaudio.data.encode_corpus MODEL CORPUS OUT [--copies 4]
    torchrun --nproc-per-node 4 -m vqaudio.data.encode_corpus ...

A wave that starts some samples later gets other codes for the same speech. So each of several copies
leaves out the start of every clip, up to the span of a code: more for a prior to learn from.

Writes OUT/codes-00000.safetensors, ...: each holds `indices`, uint16, the codes of 256 clips one
after the other, `ends`, int64, where each clip ends among them, and as metadata the clips' ids,
speakers and skipped samples (JSON lists) and the codec's fingerprint. Shards of the same codec and
clips that are there already are kept, so that a run that was stopped goes on; ranks take shards in
turn.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

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


class Take(NamedTuple):
    """A clip without its first `skip` samples."""

    clip: Clip
    skip: int

    @property
    def num_samples(self) -> int:
        return self.clip.num_samples - self.skip


def encode_corpus(codec: Codec, corpus: Corpus, out: Path, copies: int = 1) -> None:
    """Write this rank's share of the shards. Copy c of a clip lacks its first c / copies of a code's
    span."""
    out.mkdir(parents=True, exist_ok=True)
    skips = [copy * codec.model.hop // copies for copy in range(copies)]
    takes = [Take(clip, min(skip, clip.num_samples - 1)) for skip in skips for clip in corpus.clips]
    starts = range(0, len(takes), CLIPS_PER_SHARD)
    paths = [out / f"codes-{number:05d}.safetensors" for number in range(len(starts))]
    if distributed.is_main():
        for path in set(out.glob("codes-*.safetensors")) - set(paths):
            path.unlink()  # of a larger corpus
    mine = range(distributed.rank(), len(starts), distributed.world_size())
    hidden = not (distributed.is_main() and sys.stderr.isatty())
    for number in tqdm(mine, unit="shard", disable=hidden):
        shard = takes[starts[number] : starts[number] + CLIPS_PER_SHARD]
        metadata = {
            "ids": json.dumps([take.clip.id for take in shard]),
            "speakers": json.dumps([take.clip.speaker for take in shard]),
            "skipped": json.dumps([take.skip for take in shard]),
            "fingerprint": codec.fingerprint.hex(),
        }
        if _metadata(paths[number]) == metadata:
            continue
        rows = _encode(codec, corpus, shard)
        tensors = {
            "indices": np.concatenate(rows).astype(np.uint16),
            "ends": np.cumsum([len(row) for row in rows], dtype=np.int64),
        }
        with atomic_write(paths[number]) as stream:
            stream.write(safetensors.numpy.save(tensors, metadata))


def _encode(codec: Codec, corpus: Corpus, takes: Sequence[Take]) -> list[np.ndarray]:
    """The codes of each, in order."""
    rows: dict[tuple[int, int], np.ndarray] = {}  # by offset: x.wav and x.flac have one id
    for batch in _batches(takes):
        waves = [torch.from_numpy(corpus.samples(take.clip)[take.skip :]) for take in batch]
        lengths = [len(wave) for wave in waves]
        codes = codec.encode(pad_sequence(waves, batch_first=True), corpus.sample_rate, lengths)
        rows |= {
            (take.clip.offset, take.skip): row.indices[0].numpy()
            for take, row in zip(batch, codes, strict=True)
        }
    return [rows[take.clip.offset, take.skip] for take in takes]


def _batches(takes: Sequence[Take]) -> Iterator[list[Take]]:
    """Takes of about the same length together, so that little of a batch is padding."""
    batch: list[Take] = []
    for take in sorted(takes, key=lambda take: take.num_samples):
        padded = (len(batch) + 1) * take.num_samples / take.clip.sample_rate
        if batch and padded > BATCH_SECONDS:
            yield batch
            batch = []
        batch.append(take)
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
    parser.add_argument("--copies", type=int, default=1, help="of every clip (default: 1)")
    parser.add_argument("-d", "--device", choices=("auto", "cpu", "cuda"), default="auto")
    options = parser.parse_args(arguments)
    if not 1 <= options.copies <= 16:
        parser.error("--copies must be 1 to 16")
    try:
        device = distributed.start(options.device)
        codec = load_codec(options.model, "cpu")
        codec.model.to(device)
        encode_corpus(codec, Corpus(options.corpus), options.out, options.copies)
    except (VqaudioError, OSError) as error:
        print(f"encode_corpus: {error}", file=sys.stderr)
        return 1
    finally:
        distributed.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
