import json
import shutil

import numpy as np
import pytest
import soundfile

from tests.conftest import SPEECH
from vqaudio.data.corpora import transcribed
from vqaudio.data.manifest import Corpus
from vqaudio.evaluation.phonemes.align import read_transcripts


@pytest.fixture
def tree(tmp_path, speech):
    """Two speakers in audio/; speech with a second of silence before it is clip b/two.x."""
    root = tmp_path / "audio"
    for speaker in ("a", "b"):
        (root / speaker).mkdir(parents=True)
    shutil.copy(SPEECH / "1455-134435-0000.flac", root / "a" / "one.flac")
    quiet = np.zeros(16000, np.float32)
    soundfile.write(root / "b" / "two.x.wav", np.concatenate([quiet, speech[0][:32000]]), 16000)
    soundfile.write(root / "b" / "three.wav", speech[0][:16000].numpy(), 16000)
    return root


def run(*arguments):
    return transcribed.main([*map(str, arguments), "--workers", "1"])


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_english_clips_with_a_text_come_whole(tree, tmp_path, monkeypatch):
    texts = [
        {"path": "audio/a/one.opus", "text": "HALLO", "language": "de"},
        {"path": "audio/b/two.x.flac", "text": "THE GIRL\tWHO  CAME", "speaker": "eve"},
        {"path": "audio/b/three.wav", "seconds": 1.0},
        {"path": "elsewhere/four.wav", "text": "NOT HERE"},
    ]
    file = lines(tmp_path / "texts.jsonl", texts)
    monkeypatch.chdir(tmp_path)
    assert run("audio", "out", "--transcripts", file.name) == 0
    (clip,) = Corpus(tmp_path / "out").clips
    assert (clip.id, clip.speaker, clip.num_samples) == ("b/two.x", "eve", 48000)  # not trimmed
    assert read_transcripts(tmp_path / "out" / "transcripts.tsv") == {
        "b/two.x": "THE GIRL WHO CAME"
    }


def test_texts_in_a_table(tree, tmp_path, capsys):
    (tmp_path / "texts.tsv").write_text("audio/a/one\tONE\naudio/b/two.x\tTWO\n")
    assert run(tree, tmp_path / "out", "--transcripts", tmp_path / "texts.tsv") == 0
    known = read_transcripts(tmp_path / "out" / "transcripts.tsv")
    assert known == {"a/one": "ONE", "b/two.x": "TWO"}
    assert [clip.speaker for clip in Corpus(tmp_path / "out").clips] == ["a", "b"]
    assert run(tree, tmp_path / "out", "--transcripts", tmp_path / "texts.tsv") == 0
    assert "prepared already" in capsys.readouterr().out
    again = run(tree, tmp_path / "out", "--transcripts", tmp_path / "texts.tsv", "--all")
    assert again == 1  # from something else


def test_clips_without_texts_too(tree, tmp_path):
    rows = [{"path": "audio/a/one.flac"}, {"path": "audio/b/three.wav", "text": "THREE"}]
    file = lines(tmp_path / "texts.jsonl", rows)
    assert run(tree, tmp_path / "out", "--transcripts", file, "--all") == 0
    assert {clip.id for clip in Corpus(tmp_path / "out").clips} == {"a/one", "b/three"}
    assert read_transcripts(tmp_path / "out" / "transcripts.tsv") == {"b/three": "THREE"}


def test_mistakes_are_told_in_a_line(tree, tmp_path, capsys):
    good = [{"path": "elsewhere/one.wav", "text": "ONE"}]
    for name, text, message in (
        ("broken.jsonl", '{"path": 1', "line 1"),
        ("pathless.jsonl", '{"text": "A"}', "line 1"),
        ("number.jsonl", "7", "line 1"),
        ("narrow.tsv", "a\tA\nb", "line 2"),
        ("other.jsonl", json.dumps(good[0]), "tells of no clip there"),
    ):
        (tmp_path / name).write_text(text + "\n")
        assert run(tree, tmp_path / "out", "--transcripts", tmp_path / name) == 1
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    assert run(tree, tmp_path / "out", "--transcripts", tmp_path / "none.jsonl") == 1
    assert not (tmp_path / "out" / "source.json").exists()
