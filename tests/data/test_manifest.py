import numpy as np
import pytest

from vqaudio.data.manifest import CLIPS, SAMPLES, Corpus, CorpusWriter
from vqaudio.errors import AudioError


def write(folder, waves):
    writer = CorpusWriter(folder, 16000)
    for i, wave in enumerate(waves):
        writer.add(wave, id=f"c{i}", path=f"c{i}.wav", speaker="s", level=-20.0, sha256="ab")
    return writer


def test_samples_come_back(tmp_path, speech):
    waves = [speech[0][:5000].numpy(), speech[0][5000:9001].numpy()]
    write(tmp_path, waves).close()
    corpus = Corpus(tmp_path)
    for clip, wave in zip(corpus.clips, waves, strict=True):
        np.testing.assert_allclose(corpus.samples(clip), wave, atol=1 / 65536)
        np.testing.assert_array_equal(corpus.samples(clip, 10, 20), corpus.samples(clip)[10:20])
    assert corpus.hours == pytest.approx(9001 / 16000 / 3600)


def test_loud_samples_are_clipped_not_wrapped(tmp_path):
    write(tmp_path, [np.array([1.5, -1.5])]).close()
    corpus = Corpus(tmp_path)
    assert corpus.samples(corpus.clips[0]).tolist() == [32767 / 32768, -1.0]


def test_nothing_appears_before_close(tmp_path):
    writer = write(tmp_path, [np.zeros(10)])
    with pytest.raises(AudioError, match="not a prepared corpus"):
        Corpus(tmp_path)
    writer.close()
    assert len(Corpus(tmp_path).clips) == 1


def test_damage_is_noticed(tmp_path):
    write(tmp_path, [np.zeros(10)]).close()
    with (tmp_path / SAMPLES).open("ab") as file:
        file.write(b"\0\0")
    with pytest.raises(AudioError, match="do not belong together"):
        Corpus(tmp_path)
    (tmp_path / CLIPS).write_text('{"nonsense": 1}\n')
    with pytest.raises(AudioError, match="not a prepared corpus"):
        Corpus(tmp_path)
