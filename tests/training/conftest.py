"""A corpus small enough to train on in seconds, from the clips in tests/data."""

import pytest

from tests.conftest import DATA
from vqaudio.data.corpora.folder import prepare_file
from vqaudio.data.manifest import Corpus, CorpusWriter


@pytest.fixture(scope="session")
def corpus_folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("corpus")
    writer = CorpusWriter(out, 16000)
    for path in sorted(DATA.glob("*.flac")):
        item = prepare_file(path)
        speaker = path.name.split("-")[0]
        writer.add(
            item.wave,
            id=path.stem,
            path=path.name,
            speaker=speaker,
            level=item.level,
            sha256=item.sha256,
        )
    writer.close()
    return out


@pytest.fixture(scope="session")
def corpus(corpus_folder):
    return Corpus(corpus_folder)
