import numpy as np
import pytest

from tests.evaluation.conversion.small import SPEAKERS, Impostor, Telltale, cut_corpus
from vqaudio.errors import VqaudioError
from vqaudio.evaluation.conversion.probe import ProbeConfig, counts, probe
from vqaudio.evaluation.conversion.stretches import stretches_of
from vqaudio.evaluation.conversion.table import probe_table
from vqaudio.evaluation.conversion.voices import takes_of
from vqaudio.evaluation.metrics import METRICS

CONFIG = ProbeConfig(seconds=1.2, speaker_seconds=5, stretches=12, english=("english",))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return cut_corpus(tmp_path_factory.mktemp("corpus"), 0.8, stop=7.5)


def test_stretches_are_of_one_length_and_clips_on_one_side(corpus):
    takes = takes_of([corpus])
    stretches = stretches_of(takes, 0.9, 6, seed=1)
    assert {len(one.wave()) for one in stretches} == {14400}
    for speaker in SPEAKERS:
        own = [one for one in stretches if one.speaker == speaker]
        assert 1 <= sum(not one.taught for one in own) <= 2 < sum(one.taught for one in own) <= 4
        clips = [
            {take.clip.id for one in own if one.taught == side for take, _, _ in one.pieces}
            for side in (True, False)
        ]
        assert not clips[0] & clips[1]
        assert all(id.startswith(speaker) for id in clips[0] | clips[1])
    assert stretches_of(takes, 0.9, 6, seed=1) == stretches
    assert stretches_of(takes, 8, 6) == []


def test_codes_are_counted():
    found = counts(np.array([[0, 2, 2, 2], [1, 1, 1, 1]]), 3)
    assert np.allclose(found**2, [[0.25, 0, 0.75], [0, 1, 0]])


def test_codes_that_tell_and_codes_that_do_not(corpus):
    done = []
    report = probe(corpus, {"telltale": Telltale(), "mute": Impostor()}, CONFIG, done.append)
    for group in report["groups"].values():
        right = {row["name"]: row["accuracy"]["mean"] for row in group["rows"]}
        assert list(right) == done
        assert right["codes of telltale"] == 1
        assert right["codes of mute"] == right["nothing: the most frequent"] <= 0.6
        assert right["k-means on MFCC (2)"] <= 1
        if METRICS["speaker"].missing() is None:
            assert right["the sound, by Resemblyzer"] > 0.6
        assert group["speakers"] == 2
    table = probe_table(report)
    assert "which of 2 English speakers" in table
    assert table.count("codes of telltale") == 2


def test_one_speaker_is_not_enough(corpus):
    with pytest.raises(VqaudioError, match="two speakers"):
        probe(corpus, {"mute": Impostor()}, ProbeConfig())
    config = ProbeConfig(seconds=1.2, speaker_seconds=5, english=("english/ann",))
    with pytest.raises(VqaudioError, match=r"two speakers \(english\)"):
        probe(corpus, {"mute": Impostor()}, config)
