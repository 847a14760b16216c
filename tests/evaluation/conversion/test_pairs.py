from collections import Counter

import pytest

from vqaudio.evaluation.conversion.pairs import choose, sources
from vqaudio.evaluation.conversion.voices import enough, takes_of


@pytest.fixture
def heard(held_out, told):
    return takes_of([held_out, told])


def test_speakers_with_enough(told):
    takes = takes_of([told])
    assert enough(takes, 5) == (["english/ann", "english/bob"], [])
    assert enough(takes, 5.1) == ([], ["english/ann", "english/bob"])


def test_who_is_not_known_is_a_voice_in_each_clip(heard, told):
    voices, none = sources(heard, ["english/ann"])
    assert list(voices) == ["english/ann", "english/bob/5-0"]  # clips of 1 s are too short
    assert none == []
    assert sources(takes_of([told]), ["english/ann"]) == ({}, ["english/ann", "english/bob"])


def test_targets_are_others_and_come_about_equally_often(heard):
    names = [f"voice {number}" for number in range(7)]
    takes = heard["english/ann"]
    voices = dict.fromkeys([*names, "nobody's"], takes)
    pairs = choose(voices, names, 3, seed=1)
    assert len(pairs) == 8 * 3 == len({(pair.voice, pair.target) for pair in pairs})
    assert all(pair.voice != pair.target for pair in pairs)
    assert set(Counter(pair.target for pair in pairs).values()) <= {3, 4}
    assert len({pair.take.clip.id for pair in pairs if pair.voice == "voice 0"}) == 3
    assert choose(voices, names, 3, seed=1) == pairs
    assert choose(voices, names, 3, seed=2) != pairs


def test_no_more_pairs_than_there_are_others(heard):
    takes = heard["english/ann"]
    pairs = choose({"a": takes, "c": takes}, ["a", "b"], 5)
    assert [(pair.voice, pair.target) for pair in pairs if pair.voice == "a"] == [("a", "b")]
    assert {pair.target for pair in pairs if pair.voice == "c"} == {"a", "b"}
    assert choose({"a": takes}, ["a"], 5) == []
