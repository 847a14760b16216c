"""A made-up VCTK: its layout, who is taken, what is held out."""

import hashlib
import zipfile

import pytest
import soundfile

from vqaudio.data.corpora import vctk
from vqaudio.data.manifest import Corpus


@pytest.fixture
def corpus_dir(tmp_path, speech):
    """Two speakers with texts of all sentences but one, p315 without; two microphones; a second of
    silence before each sentence."""
    wave = speech[0].numpy()
    root = tmp_path / "corpus" / vctk.NAME
    for number, speaker in enumerate(("p225", "s5", "p315")):
        sounds, texts = root / "wav48_silence_trimmed" / speaker, root / "txt" / speaker
        sounds.mkdir(parents=True)
        for sentence in (1, 2, 3, 4):
            piece = wave[48000 * number : 48000 * (number + 1)].copy()
            piece[:24000] = 0  # at 48 kHz half a second
            for microphone in ("mic1", "mic2"):
                name = f"{speaker}_{sentence:03d}_{microphone}.flac"
                soundfile.write(sounds / name, piece, 48000)
            if speaker != "p315" and sentence != 4:
                texts.mkdir(parents=True, exist_ok=True)
                (texts / f"{speaker}_{sentence:03d}.txt").write_text(f"Sentence  {sentence}.\n")
    return tmp_path / "corpus"


def prepare(corpus_dir, out, share="0.5"):
    arguments = ["prepare", str(corpus_dir), str(out), "--held-out-clips", share]
    return vctk.main([*arguments, "--workers", "1"])


def test_one_microphone_of_who_has_texts_on_both_sides(corpus_dir, tmp_path, capsys):
    assert prepare(corpus_dir, tmp_path / "out") == 0
    train, held_out = (Corpus(tmp_path / "out" / side) for side in ("train", "held-out"))
    for corpus in (train, held_out):
        assert [clip.speaker for clip in corpus.clips] == ["p225", "p225", "s5", "s5"]
        assert corpus.sample_rate == 16000
        assert all(clip.num_samples < 10000 for clip in corpus.clips)  # silence is trimmed
    ids = {clip.id for clip in train.clips + held_out.clips}
    assert ids == {f"{s}/{s}_00{n}_mic1" for s in ("p225", "s5") for n in (1, 2, 3, 4)}
    texts = (tmp_path / "out/held-out/transcripts.tsv").read_text().splitlines()
    told = dict(line.split("\t") for line in texts)
    lacking = [clip.id for clip in held_out.clips if clip.id.endswith("_004_mic1")]
    assert told.keys() == {clip.id for clip in held_out.clips} - set(lacking)
    assert set(told.values()) <= {"Sentence 1.", "Sentence 2.", "Sentence 3."}
    assert len(list((tmp_path / "out/held-out-audio").rglob("*.flac"))) == 4

    before = (tmp_path / "out/train/clips.jsonl").stat().st_mtime_ns
    assert prepare(corpus_dir, tmp_path / "out") == 0
    assert "prepared already" in capsys.readouterr().out
    assert (tmp_path / "out/train/clips.jsonl").stat().st_mtime_ns == before
    assert prepare(corpus_dir, tmp_path / "out", "0.25") == 1
    assert "remove it first" in capsys.readouterr().err


def test_what_cannot_be_prepared_is_told_in_a_line(corpus_dir, tmp_path, capsys):
    assert prepare(tmp_path, tmp_path / "out") == 1
    assert "download it first" in capsys.readouterr().err
    assert prepare(corpus_dir, tmp_path / "out", "0.1") == 1
    assert "cannot be split" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_download_checks_and_unpacks(corpus_dir, tmp_path, capsys):
    served, root = tmp_path / "served.zip", corpus_dir / vctk.NAME
    with zipfile.ZipFile(served, "w") as archive:
        for path in sorted(root.rglob("*.flac")):
            archive.write(path, path.relative_to(root))
    arguments = ["download", str(tmp_path / "got"), "--url", served.as_uri()]
    assert vctk.main(arguments) == 1  # not the archive of the corpus
    assert "is damaged" in capsys.readouterr().err
    digest = hashlib.sha256(served.read_bytes()).hexdigest()
    assert vctk.main([*arguments, "--sha256", digest]) == 0
    sounds = tmp_path / "got" / vctk.NAME / "wav48_silence_trimmed"
    assert len(list(sounds.rglob("*.flac"))) == 24
    assert vctk.main([*arguments, "--sha256", digest]) == 0
    assert "there already" in capsys.readouterr().out


def test_a_copy_at_hand_is_not_downloaded(corpus_dir, capsys):
    assert vctk.main(["download", str(corpus_dir), "--url", "http://127.0.0.1:9/x.zip"]) == 0
    assert "there already" in capsys.readouterr().out
