import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.conftest import SPEECH
from vqaudio import audio
from vqaudio.data.corpora import folder
from vqaudio.data.manifest import Corpus
from vqaudio.errors import VqaudioError


@pytest.fixture
def tree(tmp_path, speech):
    """Four speakers; other rates, channels and formats; silence around; files that are no good."""
    wave = speech[0].numpy()
    root = tmp_path / "tree"
    for speaker in "abcd":
        (root / speaker).mkdir(parents=True)
    shutil.copy(SPEECH / "1455-134435-0000.flac", root / "a" / "one.flac")
    stereo = np.stack([wave[:48000]] * 2, axis=1)
    soundfile.write(root / "b" / "two.wav", stereo, 22050)
    quiet = np.zeros(16000, np.float32)
    soundfile.write(root / "c" / "three.ogg", np.concatenate([quiet, wave[:32000], quiet]), 16000)
    soundfile.write(root / "d" / "silence.wav", quiet, 16000)
    (root / "d" / "text.wav").write_text("not audio")
    soundfile.write(root / "d" / "four.wav", wave[:20000], 8000)
    return root


def run(*arguments):
    return folder.main([str(a) for a in arguments] + ["--workers", "1"])


def test_prepares_any_tree(tree, tmp_path, speech_path):
    out, held_out = tmp_path / "out", tmp_path / "held-out"
    held_out.mkdir()
    shutil.copy(speech_path, held_out)
    assert run(tree, out, "--held-out-dir", held_out) == 0
    corpus = Corpus(out / "train")
    clips = {clip.id: clip for clip in corpus.clips}
    assert clips.keys() == {"a/one", "b/two", "c/three", "d/four"}
    assert clips["c/three"].speaker == "c"
    assert {clip.sample_rate for clip in corpus.clips} == {16000}
    assert clips["b/two"].num_samples == pytest.approx(48000 * 16000 / 22050, rel=0.05)
    assert clips["c/three"].num_samples < 34000  # the two seconds around were trimmed
    rejected = (out / "rejected.tsv").read_text().splitlines()
    assert [line.split("/")[-1].split("\t")[0] for line in rejected] == ["silence.wav", "text.wav"]
    assert all(line.split("\t")[1] for line in rejected)
    judged = list((out / "held-out-audio").rglob("*.flac"))
    assert len(judged) == len(Corpus(out / "held-out").clips) == 1
    manifest = json.loads((out / "train" / "clips.jsonl").read_text().splitlines()[0])
    assert len(manifest["sha256"]) == 64


def test_held_out_speakers_are_in_no_training_data(tree, tmp_path):
    out = tmp_path / "out"
    assert run(tree, out, "--held-out", "0.5") == 0
    train, held_out = ({c.speaker for c in Corpus(out / n).clips} for n in ("train", "held-out"))
    assert train
    assert held_out
    assert not train & held_out


def test_a_share_of_every_speakers_clips_is_held_out(tmp_path):
    root = tmp_path / "root"
    files = [root / f"s{i % 3}" / f"{i}.wav" for i in range(60)] + [root / "few" / "1.wav"]
    held_out = folder.held_out_clips(files, root, 0.1)
    assert [sum(f.parent.name == f"s{i}" for f in held_out) for i in range(3)] == [2, 2, 2]
    assert not any(f.parent.name == "few" for f in held_out)
    for share in (-0.1, 1.0, float("nan")):
        with pytest.raises(VqaudioError, match="share of clips"):
            folder.held_out_clips(files, root, share)


def test_excluded_folders_are_in_neither_side(tree, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(tree, out, "--exclude", "a", "d", "--held-out", "0.5") == 0
    speakers = {c.speaker for n in ("train", "held-out") for c in Corpus(out / n).clips}
    assert speakers == {"b", "c"}
    assert run(tree, tmp_path / "other", "--exclude", "nobody") == 1
    assert "nobody" in capsys.readouterr().err


def test_a_speakers_new_files_do_not_change_sides(tree):
    files = audio.find(tree)
    chosen = folder.held_out_files(files, tree, 0.5)
    more = [*files, *(tree / speaker / "new.wav" for speaker in "abcd")]
    again = folder.held_out_files(more, tree, 0.5)
    assert {f for f in again if f.name != "new.wav"} == chosen
    assert {f.parent for f in again} == {f.parent for f in chosen}


@pytest.mark.parametrize("folders", [[f"s{i}" for i in range(20)], ["one"]])
def test_something_is_always_held_out(folders):
    files = [Path("root", folder, f"{i}.wav") for folder in folders for i in range(20)]
    held_out = folder.held_out_files(files, Path("root"), 0.03)
    assert 0 < len(held_out) <= 20
    if len(folders) > 1:
        assert len({f.parent for f in held_out}) == 1


def test_prepared_once_and_not_from_something_else(tree, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(tree, out) == 0
    before = (out / "train" / "samples.s16").stat().st_mtime_ns
    assert run(tree, out) == 0
    assert (out / "train" / "samples.s16").stat().st_mtime_ns == before
    assert run(tree / "a", out) == 1
    assert "was prepared from" in capsys.readouterr().err


def test_a_name_that_is_no_text_is_still_listed(tree, tmp_path):
    os.rename(tree / "d" / "text.wav", os.fsencode(tree / "d") + b"/caf\xe9.wav")
    assert run(tree, tmp_path / "out") == 0
    assert "caf" in (tmp_path / "out" / "rejected.tsv").read_text()


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_nothing_to_train_on_is_one_line(tmp_path, capsys, name):
    (tmp_path / "empty").mkdir()
    assert run(tmp_path / name, tmp_path / "out") == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert name in error
