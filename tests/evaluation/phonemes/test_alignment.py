import numpy as np
import pytest

from vqaudio.errors import AudioError
from vqaudio.evaluation.phonemes.alignment import (
    SILENCE,
    UNKNOWN,
    Alignment,
    Phone,
    label,
    labels_at,
    read_ctm,
    read_lines,
    read_textgrid,
    write_lines,
)

LONG = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 1.5
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "words"
        xmin = 0
        xmax = 1.5
        intervals: size = 1
            intervals [1]:
                xmin = 0
                xmax = 1.5
                text = "say ""a"" 1"
    item [2]:
        class = "IntervalTier"
        name = "phones"
        xmin = 0
        xmax = 1.5
        intervals: size = 3
            intervals [1]:
                xmin = 0
                xmax = 0.5
                text = ""
            intervals [2]:
                xmin = 0.5
                xmax = 1.0
                text = "AH0"
            intervals [3]:
                xmin = 1.0
                xmax = 1.5
                text = "spn"
"""
SHORT = """File type = "ooTextFile"
Object class = "TextGrid"

0
1.5
<exists>
1
"IntervalTier"
"phones"
0
1.5
3
0
0.5
"sil"
0.5
1.0
"AH1"
1.0
1.5
"spn"
"""
PHONES = (Phone(0.0, 0.5, SILENCE), Phone(0.5, 1.0, "AH"), Phone(1.0, 1.5, UNKNOWN))


@pytest.mark.parametrize("text", [LONG, SHORT])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_textgrid(tmp_path, text, encoding):
    path = tmp_path / "clip.TextGrid"
    path.write_bytes(text.encode(encoding))
    assert read_textgrid(path) == PHONES


@pytest.mark.parametrize("cut", [20, 300, len(LONG) - 30])
def test_a_damaged_textgrid_is_refused(tmp_path, cut):
    path = tmp_path / "clip.TextGrid"
    path.write_text(LONG[:cut])
    with pytest.raises(AudioError, match=r"clip\.TextGrid"):
        read_textgrid(path)


def test_ctm(tmp_path):
    path = tmp_path / "phones.ctm"
    path.write_text(";; comment\nb A 0.5 0.5 AH_B\nb A 0.0 0.5 SIL\na 1 0 1.0 spn 0.9\n")
    assert read_ctm(path) == {"b": PHONES[:2], "a": (Phone(0.0, 1.0, UNKNOWN),)}
    path.write_text("b A nothing 0.5 AH\n")
    with pytest.raises(AudioError, match="line 1"):
        read_ctm(path)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("AH0", "AH"),
        ("ah", "AH"),
        ("NG_E", "NG"),
        ("+SPN+", SILENCE),
        ("<s>", SILENCE),
        ("sp", SILENCE),
    ],
)
def test_phones_have_one_name(name, wanted):
    assert label(name) == wanted


def test_labels_at():
    phones = (Phone(0.1, 0.2, "AH"), Phone(0.3, 0.4, "B"))
    moments = np.array([0.0, 0.1, 0.15, 0.2, 0.3, 0.39, 0.4])
    assert labels_at(phones, moments) == ["", "AH", "AH", "", "B", "B", ""]
    assert labels_at((), moments) == [""] * 7


def test_lines_round_trip_and_a_cut_line_is_left_out(tmp_path):
    path = tmp_path / "phones.jsonl"
    ones = [Alignment("a", PHONES, "given"), Alignment("b", (), "transcript", "why")]
    path.write_text(write_lines(ones))
    assert list(read_lines(path)) == ones
    path.write_text(write_lines(ones)[:-5])
    assert list(read_lines(path)) == ones[:1]
    path.write_text('{"id": 3}\n')
    with pytest.raises(AudioError, match="line 1"):
        list(read_lines(path))
