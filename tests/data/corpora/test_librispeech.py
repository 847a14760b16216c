import hashlib
import io
import tarfile

import pytest
import soundfile

from vqaudio.data.corpora import librispeech
from vqaudio.data.manifest import Corpus


@pytest.fixture
def corpus_dir(tmp_path, speech):
    """Two readers of a part, as the archives unpack."""
    wave, rate = speech
    for reader in ("84", "174"):
        folder = tmp_path / "corpus/LibriSpeech/dev-clean" / reader / "1"
        folder.mkdir(parents=True)
        soundfile.write(folder / f"{reader}-1-0000.flac", wave[:32000].numpy(), rate)
        (folder / f"{reader}-1.trans.txt").write_text(f"{reader}-1-0000 THE GIRL  WHO\n")
    return tmp_path / "corpus"


def test_clips_are_whole_with_reader_and_text(corpus_dir, tmp_path, capsys):
    arguments = ["prepare", str(corpus_dir), str(tmp_path / "out"), "--parts", "dev-clean"]
    arguments += ["--workers", "1"]
    assert librispeech.main(arguments) == 0
    corpus = Corpus(tmp_path / "out/dev-clean")
    assert {(c.id, c.speaker, c.num_samples) for c in corpus.clips} == {
        ("84-1-0000", "84", 32000),
        ("174-1-0000", "174", 32000),
    }
    assert "84-1-0000\tTHE GIRL WHO\n" in (tmp_path / "out/dev-clean/transcripts.tsv").read_text()
    assert librispeech.main(arguments) == 0
    assert "prepared already" in capsys.readouterr().out


def test_a_part_that_is_not_there_is_told_in_a_line(tmp_path, capsys):
    arguments = ["prepare", str(tmp_path), str(tmp_path / "out"), "--parts", "dev-clean"]
    assert librispeech.main(arguments) == 1
    assert "download it first" in capsys.readouterr().err


def test_download_checks_what_it_gets(corpus_dir, tmp_path, capsys):
    served = tmp_path / "served"
    served.mkdir()
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        tar.add(corpus_dir / "LibriSpeech", "LibriSpeech")
    (served / "dev-clean.tar.gz").write_bytes(data.getvalue())
    arguments = ["download", str(tmp_path / "got"), "--parts", "dev-clean"]
    arguments += ["--server", served.as_uri()]
    assert librispeech.main(arguments) == 1  # not the archive that the corpus has
    assert "is damaged" in capsys.readouterr().err
    digest = hashlib.md5(data.getvalue()).hexdigest()
    sums = tmp_path / "md5sum.txt"
    sums.write_text(f"{digest}  dev-clean.tar.gz\n")
    assert librispeech.main([*arguments, "--md5sums", str(sums)]) == 0
    assert (tmp_path / "got/LibriSpeech/dev-clean/84/1/84-1-0000.flac").exists()


def test_parts_can_be_one_corpus(corpus_dir, tmp_path, capsys):
    folder = corpus_dir / "LibriSpeech"
    (folder / "test-clean").mkdir()
    (folder / "dev-clean/84").rename(folder / "test-clean/84")
    arguments = ["prepare", str(corpus_dir), str(tmp_path / "out"), "--name", "both"]
    arguments += ["--workers", "1", "--parts", "dev-clean"]
    assert librispeech.main([*arguments, "test-clean"]) == 0
    assert [c.speaker for c in Corpus(tmp_path / "out/both").clips] == ["174", "84"]
    assert len((tmp_path / "out/both/transcripts.tsv").read_text().splitlines()) == 2
    assert librispeech.main(arguments) == 1  # the same name for something else
    assert "remove it first" in capsys.readouterr().err
