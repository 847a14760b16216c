import numpy as np
import pytest
import torch

from tests.small import small_model
from tests.small_prior import FINGERPRINT, write_codes
from vqaudio.codec import Codec
from vqaudio.data.chunks import NO_CODE, ChunkConfig, Chunks, CodeCorpus, whole_clips
from vqaudio.data.encode_corpus import encode_corpus
from vqaudio.errors import ModelError

LENGTHS = (30, 7, 12, 400, 5, 30)
ROWS = [np.arange(length) + 500 * i for i, length in enumerate(LENGTHS)]
"""Each code tells where it is from."""
SPEAKERS = ("a", "a", "b", "c", "a", "b")


@pytest.fixture
def codes(tmp_path):
    write_codes(tmp_path, ROWS[:4], SPEAKERS[:4])
    return CodeCorpus(write_codes(tmp_path, ROWS[4:], SPEAKERS[4:], number=1))


def test_a_corpus_is_read_as_it_was_written(codes):
    assert [list(clip) for clip in codes.clips] == [list(row) for row in ROWS]
    assert tuple(codes.speakers) == SPEAKERS
    assert codes.fingerprint == FINGERPRINT
    assert codes.num_codes == sum(LENGTHS)


def test_a_corpus_of_the_codec(tmp_path, corpus):
    codec = Codec(small_model())
    encode_corpus(codec, corpus, tmp_path)
    codes = CodeCorpus(tmp_path)
    assert codes.fingerprint == codec.fingerprint
    assert codes.speakers == [clip.speaker for clip in corpus.clips]
    alone = codec.encode(torch.from_numpy(corpus.samples(corpus.clips[0])), 16000).indices[0]
    assert (torch.from_numpy(codes.clips[0].astype(np.int64)) == alone).float().mean() > 0.999


def test_chunks_are_stretches_of_clips(codes):
    chunks = Chunks(codes, ChunkConfig(batch_size=8, length=20))
    seen = set()
    for step in range(40):
        batch = chunks[step]
        assert batch.shape == (8, 20)
        assert batch.dtype == torch.int64
        for chunk in batch.numpy():
            piece = chunk[chunk != NO_CODE]
            row = ROWS[piece[0] // 500]
            start = piece[0] % 500
            assert (piece == row[start : start + 20]).all()
            assert (chunk[len(piece) :] == NO_CODE).all()
            assert len(piece) == min(20, len(row))  # no code is left out for nothing
            seen.add((piece[0] // 500, start))
    assert {number for number, _ in seen} == set(range(6))
    assert (0, 0) in seen
    assert (0, 10) in seen


def test_a_chunk_depends_on_seed_step_and_place_alone(codes):
    config = ChunkConfig(batch_size=4, length=20)
    whole = Chunks(codes, config, seed=1)
    ranks = [Chunks(codes, config, seed=1, rank=r, world_size=2) for r in range(2)]
    assert torch.equal(whole[3], torch.cat([rank[3] for rank in ranks]))
    assert not torch.equal(whole[3], whole[4])
    assert not torch.equal(whole[3], Chunks(codes, config, seed=2)[3])


def test_speakers_are_balanced(codes):
    """b and c have 42 and 400 codes: as 1 to 9.5 by length, 1 to 3.1 at power .5, 1 to 1 at 0."""
    for power, ratio in ((1.0, 400 / 42), (0.5, (400 / 42) ** 0.5), (0.0, 1.0)):
        chunks = Chunks(codes, ChunkConfig(batch_size=500, length=1, speaker_power=power))
        numbers = torch.cat([chunks[step] for step in range(8)]) // 500
        of_b = ((numbers == 2) | (numbers == 5)).sum()
        assert (numbers == 3).sum() / of_b == pytest.approx(ratio, rel=0.2)


def test_whole_clips_are_all_there_once(codes):
    batches = list(whole_clips(codes, 60))
    assert all(batch.numel() <= 60 or len(batch) == 1 for batch in batches)
    assert len(batches) < len(ROWS)
    rows = [row[row != NO_CODE].tolist() for batch in batches for row in batch]
    assert sorted(rows) == [row.tolist() for row in ROWS]


def test_what_is_no_corpus_is_said(tmp_path):
    with pytest.raises(ModelError, match="holds no codes"):
        CodeCorpus(tmp_path)
    folder = write_codes(tmp_path / "two", ROWS)
    write_codes(folder, ROWS, fingerprint=bytes(8), number=1)
    with pytest.raises(ModelError, match="several codecs"):
        CodeCorpus(folder)
    folder = write_codes(tmp_path / "speakers", ROWS, ["only one"])
    with pytest.raises(ModelError, match="belong together"):
        CodeCorpus(folder)
    shard = next(folder.iterdir())
    shard.write_bytes(shard.read_bytes()[:-3])
    with pytest.raises(ModelError, match="not codes"):
        CodeCorpus(folder)
    codes = CodeCorpus(write_codes(tmp_path / "high", ROWS))
    codes.check(2531)
    with pytest.raises(ModelError, match="2529"):
        codes.check(2529)


def test_configurations_that_make_no_sense_are_refused(codes):
    with pytest.raises(ValueError, match="length"):
        ChunkConfig(length=0)
    with pytest.raises(ValueError, match="3 does not divide by 2"):
        Chunks(codes, ChunkConfig(batch_size=3), world_size=2)
