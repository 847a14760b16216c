import copy

import pytest

from vqaudio.evaluation.table import table

SCORES = {"mean": 2.125, "low": 1.5, "high": 2.75, "clips": 3, "spoilt": 0}
CODEC = {
    "nominal": 2250,
    "bitrate": 2291.4,
    "counted": "the whole file",
    "clips_scored": 3,
    "seconds": 30.0,
    "scores": {"pesq_wb": SCORES, "wer": SCORES},
    "codebook": {"size": 512, "used": 0.875, "perplexity": 401.2},
    "encode_rtf": 0.01,
    "decode_rtf": 0.02,
}
PLAIN = {**CODEC, "nominal": None, "codebook": None}


@pytest.fixture
def report():
    return copy.deepcopy(
        {
            "files": {"count": 3, "sha256": "0123456789abcdef" * 4},
            "metrics": {
                "pesq_wb": {
                    "label": "PESQ-WB",
                    "higher_is_better": True,
                    "digits": 2,
                    "worst": 1.0,
                },
                "wer": {"label": "WER %", "higher_is_better": False, "digits": 1, "worst": 100.0},
            },
            "metrics_missing": {"speaker": "Resemblyzer is not installed"},
            "codecs": {"ours": CODEC, "theirs": PLAIN},
            "groups": {},
            "differences": {"first": "ours", "others": {}, "groups": {}},
            "missing": {"gone": "gone is not installed"},
            "failed": [],
        }
    )


def test_a_codec_is_a_line_and_its_intervals(report):
    head, ours, intervals, theirs, *_ = table(report).splitlines()
    assert head.split()[:4] == ["codec", "bit/s", "nominal", "PESQ-WB"]
    assert ours.split() == [
        "ours",
        "2291",
        "2250",
        "2.12",
        "2.1",
        "87.5",
        "%",
        "401",
        "0.010",
        "0.020",
    ]
    assert intervals.split() == ["1.50..2.75", "1.5..2.8"]
    assert theirs.split() == ["theirs", "2291", "-", "2.12", "2.1", "-", "-", "0.010", "0.020"]


def test_the_first_codec_is_set_beside_the_others(report):
    verdicts = {"theirs": ("better", "better"), "odd": ("worse", "undecided"), "no": (None, None)}
    report["differences"]["others"] = {
        name: {"pesq_wb": {"verdict": pesq}, "wer": {"verdict": words}}
        for name, (pesq, words) in verdicts.items()
    }
    wanted = [
        "ours beside the others, clip by clip, at 95 %:",
        "theirs  2 better",
        "odd     0 better; 1 undecided: WER %; 1 worse: PESQ-WB",
        "no      nothing to compare",
    ]
    assert table(report).split("\n\n")[1].splitlines() == wanted
    narrow = table(report, 30).split("\n\n")
    assert [line for line in narrow[-2].splitlines() if len(line) > 30] == []
    assert " ".join(narrow[-2].split()) == " ".join(" ".join(wanted).split())


def test_one_clip_has_no_interval(report):
    for codec in report["codecs"].values():
        codec["scores"] = dict.fromkeys(codec["scores"], SCORES | {"low": None, "high": None})
    lines = table(report).splitlines()
    assert lines[2].startswith("theirs")


def test_what_is_missing_is_said(report):
    lines = table(report).splitlines()
    assert "gone: skipped, gone is not installed" in lines
    assert "speaker: not measured, Resemblyzer is not installed" in lines
    assert lines[-1] == "3 files, SHA-256 0123456789abcdef"
    report["codecs"]["theirs"]["counted"] = "packets"
    report["failed"] = [{}]
    for codec in report["codecs"].values():
        codec["scores"]["wer"] = SCORES | {"clips": 1}
    lines = table(report).splitlines()
    assert "theirs: counted are packets" in lines
    assert "WER % is not defined for 2 clips: all codecs" in lines
    assert "1 failure, named in the report" in lines


def test_a_narrow_terminal_gets_tables_below_each_other(report):
    wide = table(report)
    assert table(report, 1000) == wide
    narrow = table(report, 45).splitlines()
    notes = wide.split("\n\n")[1].splitlines()
    assert max(map(len, narrow[: -len(notes)])) <= 45
    assert narrow[-len(notes) :] == notes
    words = [word for line in narrow[: -len(notes)] for word in line.split()]
    once = wide.split("\n\n")[0].split()
    # Each word stands there as before, but the names of codecs, one for each table.
    tables = words.count("codec")
    assert tables > 1
    assert sorted(words) == sorted(once + (tables - 1) * ["codec", "ours", "theirs"])
    table(report, 1)  # never less than a column at a time


def test_groups_are_further_tables_unless_there_are_many(report):
    report["groups"] = dict.fromkeys(("english", "others"), report["codecs"])
    lines = table(report).splitlines()
    assert "english: 3 clips" in lines
    assert "others: 3 clips" in lines
    assert sum(line.startswith("ours ") for line in lines) == 3
    report["groups"] = {str(number): report["codecs"] for number in range(40)}
    text = table(report)
    assert sum(line.startswith("ours ") for line in text.splitlines()) == 1
    assert "40 groups of clips, by first folder, are in the report" in text
