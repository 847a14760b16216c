from dataclasses import replace

import numpy as np
import pytest
import torch

from vqaudio.data.dataset import CropConfig, Crops, batches
from vqaudio.data.manifest import Corpus, CorpusWriter

CONFIG = CropConfig(batch_size=4, seconds=0.5)


def test_a_step_is_a_function_of_seed_and_step(corpus):
    crops, again = (Crops(corpus, CONFIG, frame=128, seed=3) for _ in range(2))
    other = Crops(corpus, CONFIG, frame=128, seed=4)
    assert crops[5].shape == (4, 62 * 128)  # half a second, rounded to whole frames
    assert torch.equal(crops[5], again[5])
    assert not torch.equal(crops[5], crops[6])
    assert not torch.equal(crops[5], other[5])


def test_two_ranks_see_what_one_sees(corpus):
    alone = Crops(corpus, CONFIG, frame=128)
    ranks = [Crops(corpus, CONFIG, frame=128, rank=r, world_size=2) for r in range(2)]
    assert torch.equal(torch.cat([rank[7] for rank in ranks]), alone[7])
    with pytest.raises(ValueError, match="does not divide"):
        Crops(corpus, CONFIG, frame=128, world_size=3)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_loader_starts_anywhere(corpus, num_workers):
    """So that resuming needs no replay."""
    crops = Crops(corpus, CONFIG, frame=128)
    loaded = list(batches(crops, range(4, 7), num_workers, pin_memory=False))
    assert len(loaded) == 3
    assert all(torch.equal(batch, crops[n]) for n, batch in zip(range(4, 7), loaded, strict=True))


def test_crops_are_stretches_of_clips_at_the_codecs_level(corpus):
    config = replace(CONFIG, level_jitter=0.0, seconds=4.0)
    batch = Crops(corpus, config, frame=128)[0]
    clips = [corpus.samples(clip) for clip in corpus.clips]
    for row in batch.numpy():
        found = False
        for clip in clips:
            scores = np.correlate(clip, row, "valid") if len(clip) >= len(row) else np.zeros(1)
            piece = clip[scores.argmax() :][: len(row)]
            gain = np.linalg.norm(row) / np.linalg.norm(piece)
            found |= bool(np.allclose(gain * piece, row, atol=1e-5))
        assert found
    levels = 10 * batch.square().mean(-1).log10()
    assert levels.mean() == pytest.approx(-21, abs=3)  # the meter leaves pauses out, this does not


def test_short_clips_sit_somewhere_in_silence(tmp_path):
    writer = CorpusWriter(tmp_path, 16000)
    writer.add(np.full(1000, 0.1), id="a", path="a", speaker="s", level=-20.0, sha256="")
    writer.close()
    crops = Crops(Corpus(tmp_path), replace(CONFIG, level_jitter=0.0), frame=128)
    starts = set()
    for row in crops[0]:
        sound = row.nonzero().flatten()
        assert len(sound) == 1000 == sound[-1] - sound[0] + 1
        starts.add(sound[0].item())
    assert len(starts) == 4


def test_speaker_power_spreads_the_draw(tmp_path):
    """One speaker has 99 % of the speech; at power 0 both are drawn alike."""
    writer = CorpusWriter(tmp_path, 16000)
    for name, length, value in [("big", 99_000, 0.1), ("small", 1_000, 0.2)]:
        writer.add(np.full(length, value), id=name, path=name, speaker=name, level=-20, sha256="")
    writer.close()
    share = {}
    for power in (0.0, 1.0):
        config = CropConfig(batch_size=400, seconds=0.008, speaker_power=power, level_jitter=0.0)
        batch = Crops(Corpus(tmp_path), config, frame=128)[0]
        share[power] = (batch.max(-1).values > 0.15).float().mean().item()
    assert share[0.0] == pytest.approx(0.5, abs=0.1)
    assert share[1.0] == pytest.approx(0.01, abs=0.02)
