import pytest

from tests.evaluation.conversion.small import SPEAKERS, Impostor, cut_corpus
from vqaudio.errors import VqaudioError
from vqaudio.evaluation.conversion.judging import is_under
from vqaudio.evaluation.conversion.report import ConversionConfig, conversion_test
from vqaudio.evaluation.conversion.table import conversion_table
from vqaudio.evaluation.metrics import METRICS

CONFIG = ConversionConfig(target_seconds=4)


@pytest.fixture(scope="module")
def report(told, held_out):
    if reason := METRICS["speaker"].missing():
        pytest.skip(reason)
    codecs = {"impostor": Impostor(), "plain": Impostor(())}
    steps = []
    report = conversion_test(told, [held_out], codecs, CONFIG, lambda *step: steps.append(step))
    assert steps == [(0, 2), (1, 2), (2, 2)]
    return report


def test_every_system_is_judged_by_voice(report):
    assert report["targets"] == [*SPEAKERS]
    assert list(report["groups"]) == ["known"]
    systems = report["groups"]["known"]["systems"]
    told = {
        name: (one["success"]["mean"], one["identified"]["mean"]) for name, one in systems.items()
    }
    assert told == {
        "original, unconverted": (0, 0),
        "impostor, the speaker's own voice": (0, 0),
        "impostor, converted": (1, 1),
        "plain": (0, 0),
        "another recording of the target": (1, 1),
    }
    converted = systems["impostor, converted"]
    assert converted["to_target"]["mean"] > converted["to_source"]["mean"] + 0.1
    assert systems["plain"]["to_source"] == systems["original, unconverted"]["to_source"]
    assert len(report["pairs"]) == 2 * 5
    assert report["by_target"]["impostor"][SPEAKERS[0]]["success"] == 1


def test_words_are_those_of_the_original(report):
    if METRICS["wer"].missing():
        assert report["words_missing"]
        pytest.skip(report["words_missing"])
    systems = report["groups"]["known"]["systems"]
    assert systems["original, unconverted"]["words"]["mean"] == 0
    assert systems["plain"]["words"]["mean"] == 0
    assert systems["impostor, converted"]["words"]["mean"] > 50
    assert systems["another recording of the target"]["words"]["mean"] is None


def test_a_line_for_each_system(report):
    table = conversion_table(report)
    lines = [line for line in table.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + 5
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2].split("|")[3].strip() == "0"
    assert "2 targets with 4 s or more" in table


def test_voices_that_are_not_known_and_words_that_are_not_english(voice_judge, tmp_path, held_out):
    """Whom nobody knows is compared with the clip itself."""
    codecs = {"ann": Impostor(SPEAKERS[:1])}
    known = cut_corpus(tmp_path, 1.0, stop=5.0, speakers=SPEAKERS[:1])
    config = ConversionConfig(target_seconds=4, english=("french",))
    report = conversion_test(known, [held_out], codecs, config)
    assert list(report["groups"]) == ["unheard"]
    assert report["targets"] == [SPEAKERS[0]]
    systems = report["groups"]["unheard"]["systems"]
    assert systems["original, unconverted"]["to_source"]["mean"] == pytest.approx(1)
    assert "ann, the speaker's own voice" not in systems
    assert all(one["words"]["mean"] is None for one in systems.values())


def test_what_cannot_be_judged_is_said(voice_judge, told, held_out):
    with pytest.raises(VqaudioError, match="nothing to convert: 2 source voices, 0 targets"):
        conversion_test(told, [held_out], {"a": Impostor()}, ConversionConfig())
    with pytest.raises(VqaudioError, match="nothing to convert: 0 source voices"):
        conversion_test(told, [told], {"a": Impostor()}, CONFIG)


def test_clips_in_folders():
    assert is_under("english/ann/1", ["english"])
    assert is_under("english/ann/1", ["french", "english/ann/"])
    assert not is_under("english/anna/1", ["english/ann"])
    assert is_under("anything", [])
