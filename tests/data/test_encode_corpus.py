import numpy as np
import safetensors.numpy
import torch

from tests.small import small_model
from vqaudio.codec import Codec
from vqaudio.data import encode_corpus
from vqaudio.data.manifest import Corpus, CorpusWriter


def test_codes_are_those_of_each_clip_alone(tmp_path, speech, monkeypatch):
    monkeypatch.setattr(encode_corpus, "CLIPS_PER_SHARD", 3)
    monkeypatch.setattr(encode_corpus, "BATCH_SECONDS", 2)
    writer = CorpusWriter(tmp_path / "corpus", 16000)
    for i, length in enumerate([9000, 30000, 1000, 20000, 500]):
        wave = speech[0][i * 1000 :][:length].numpy()
        # Two clips of one id: x.wav beside x.flac.
        writer.add(wave, id=f"c{min(i, 3)}", path=f"c{i}", speaker=f"s{i}", level=-20.0, sha256="")
    writer.close()
    corpus, codec = Corpus(tmp_path / "corpus"), Codec(small_model())
    out = tmp_path / "codes"
    out.mkdir()
    (out / "codes-00007.safetensors").write_bytes(b"of a larger corpus")
    encode_corpus.encode_corpus(codec, corpus, out)
    shards = sorted(out.iterdir())
    assert [shard.name for shard in shards] == [
        "codes-00000.safetensors",
        "codes-00001.safetensors",
    ]
    rows = []
    for shard in shards:
        tensors = safetensors.numpy.load_file(shard)
        start = 0
        for end in tensors["ends"]:
            rows.append(tensors["indices"][start:end])
            start = end
    for clip, row in zip(corpus.clips, rows, strict=True):
        alone = codec.encode(torch.from_numpy(corpus.samples(clip)), 16000).indices[0]
        assert (torch.from_numpy(row.astype("int64")) == alone).float().mean() > 0.999

    made = shards[0].stat().st_mtime_ns
    shards[1].unlink()
    encode_corpus.encode_corpus(codec, corpus, out)  # goes on where it was
    assert shards[0].stat().st_mtime_ns == made
    assert shards[1].exists()
    encode_corpus.encode_corpus(Codec(small_model(seed=1)), corpus, out)  # another codec: anew
    assert shards[0].stat().st_mtime_ns != made


def test_copies_start_a_part_of_a_code_later(tmp_path, speech):
    writer = CorpusWriter(tmp_path / "corpus", 16000)
    for i, length in enumerate([20000, 9000]):
        wave = speech[0][:length].numpy()
        writer.add(wave, id=f"c{i}", path=f"c{i}", speaker=f"s{i}", level=-20.0, sha256="")
    writer.close()
    corpus, codec = Corpus(tmp_path / "corpus"), Codec(small_model())
    encode_corpus.encode_corpus(codec, corpus, tmp_path / "codes", copies=2)
    (shard,) = sorted((tmp_path / "codes").iterdir())
    tensors = safetensors.numpy.load_file(shard)
    rows = np.split(tensors["indices"].astype("int64"), tensors["ends"][:-1])
    half = codec.model.hop // 2
    for clip, plain, later in zip(corpus.clips, rows[:2], rows[2:], strict=True):
        wave = torch.from_numpy(corpus.samples(clip))
        for row, start in ((plain, 0), (later, half)):
            alone = codec.encode(wave[start:], 16000).indices[0]
            assert (torch.from_numpy(row) == alone).float().mean() > 0.999
