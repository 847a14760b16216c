"""Alignment of real speech, and the whole test on it."""

import itertools
import json
import shutil

import numpy as np
import pytest

from tests.small import small_model
from vqaudio.cli.phonemes import main
from vqaudio.codec import Codec
from vqaudio.data.manifest import Corpus, CorpusWriter
from vqaudio.errors import AudioError
from vqaudio.evaluation.phonemes import align as align_module
from vqaudio.evaluation.phonemes.aligner import POCKETSPHINX, align, words_of
from vqaudio.evaluation.phonemes.alignment import UNKNOWN, read_lines

pytestmark = pytest.mark.skipif(not POCKETSPHINX.present(), reason="pocketsphinx is not installed")

TEXTS = {
    "1455-134435-0000": "THE GIRL WHO CAME INTO THE WORLD ON THAT NIGHT WHEN JESSE RAN THROUGH THE "
    "FIELDS CRYING TO GOD THAT HE BE GIVEN A SON HAD GROWN TO WOMANHOOD ON THE FARM",
    "2414-128291-0005": "FOR I TELL THEE IT I HAVE ALREADY TALKED HALF A MORNING UNTO THEM AND JUST NOW "
    "WERE DEVOUT TO GIVE WITH THE ANSWER",
}


@pytest.fixture
def speech_corpus(tmp_path, corpus_folder):
    folder = shutil.copytree(corpus_folder, tmp_path / "corpus")
    lines = [f"{id}\t{text}\n" for id, text in TEXTS.items()]
    (folder / "transcripts.tsv").write_text("".join(lines))
    return folder


def test_words():
    assert words_of("O’Neill -- don't \"STOP,\" 'tis") == ["o'neill", "don't", "stop", "tis"]


def test_phones_of_real_speech(speech):
    wave = speech[0].numpy()
    phones = align(wave, TEXTS["1455-134435-0000"])
    said = [phone.label for phone in phones if phone.label != "SIL"]
    assert said[:8] == ["DH", "AH", "G", "ER", "L", "HH", "UW", "K"]
    assert phones[0].start == 0
    assert phones[-1].end == pytest.approx(len(wave) / 16000, abs=0.03)
    for before, after in itertools.pairwise(phones):
        assert before.start < before.end == pytest.approx(after.start)
    align(wave[::-1].copy()[:16000], "no")  # what came before changes nothing
    assert align(wave, TEXTS["1455-134435-0000"]) == phones


def test_what_is_in_no_dictionary_is_unknown_and_what_does_not_fit_is_refused(speech):
    wave = speech[0].numpy()
    phones = align(wave, TEXTS["1455-134435-0000"].replace("GIRL", "GURLLE"))
    unknown = [phone for phone in phones if phone.label == UNKNOWN]
    assert 1 <= len(unknown) <= 6
    assert unknown[0].start > 0.05
    assert unknown[-1].end < 0.7
    with pytest.raises(AudioError, match="dictionary"):
        align(wave, "xqzz")
    with pytest.raises(AudioError, match="do not fit"):
        align(wave[:1600], TEXTS["1455-134435-0000"])


def of_first(folder):
    clip = Corpus(folder).clips[0]
    return {"level": clip.level, "sha256": clip.sha256}


def test_from_transcripts_to_a_table(speech_corpus, tmp_path, capsys):
    heard = {"steps": 7, "hours_of_audio_heard": 0.5}
    card = {"training": heard, "data": {"hours": 0.1, "speakers": 2}}
    Codec(small_model(), card).save(tmp_path / "small")
    assert align_module.main([str(speech_corpus)]) == 0
    assert "2 by transcript aligned, 0 left out" in capsys.readouterr().out
    made = (speech_corpus / "phones.jsonl").read_text()
    (speech_corpus / "phones.jsonl").write_text(made[: made.index("\n") + 30])  # stopped midway
    assert align_module.main([str(speech_corpus)]) == 0
    assert (speech_corpus / "phones.jsonl").read_text() == made

    report = tmp_path / "report.json"
    arguments = [str(speech_corpus), "-m", str(tmp_path / "small"), "-o", str(report)]
    half = CorpusWriter(tmp_path / "half", 16000)
    half.add(
        np.zeros(100), **dict.fromkeys(("id", "path", "speaker"), "x"), **of_first(speech_corpus)
    )
    half.close()
    assert main([*arguments, "-d", "cpu", "--trained-on", str(tmp_path / "half")]) == 0
    told = json.loads(report.read_text())
    rows = {row["name"]: row["accuracy"] for row in told["speech"]}
    guess = rows["always the most frequent"]
    assert 0.02 < guess < 0.2
    assert rows["k-means on MFCC (512)"] > 1.5 * guess
    assert rows["random codes (512)"] < 2 * guess
    printed = capsys.readouterr().out
    assert "k-means on MFCC (512)" in printed
    assert "the sound of 1 of the 2 clips is in the data that was trained on" in printed
    assert "small: 7 steps, 0.5 h heard of the 0.1 h that 2 speakers said" in printed
    assert told["sources"] == ["transcript"]


def test_alignments_that_are_given_come_first(speech_corpus, tmp_path):
    ctm = tmp_path / "given.ctm"
    ctm.write_text("1455-134435-0000 1 0 2.5 AH0\n")
    assert align_module.main([str(speech_corpus), "--alignments", str(ctm)]) == 0
    by_id = {one.id: one for one in read_lines(speech_corpus / "phones.jsonl")}
    assert by_id["1455-134435-0000"].source == "given"
    assert by_id["1455-134435-0000"].phones[0].label == "AH"
    assert by_id["2414-128291-0005"].source == "transcript"


def test_without_phones_there_is_a_line(speech_corpus, tmp_path, capsys):
    assert main([str(speech_corpus)]) == 1
    assert "phonemes.align makes it" in capsys.readouterr().err
    (speech_corpus / "transcripts.tsv").unlink()
    assert align_module.main([str(speech_corpus)]) == 1
    assert main([str(speech_corpus)]) == 1
    assert "two speakers" in capsys.readouterr().err
