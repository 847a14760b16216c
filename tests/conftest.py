from pathlib import Path

import pytest
import soundfile
import torch

from vqaudio.data.corpora.preparing import prepare_file
from vqaudio.data.manifest import Corpus, CorpusWriter

SPEECH = Path(__file__).parent / "speech"


@pytest.fixture(scope="session")
def speech_path() -> Path:
    """A sentence of read English, 16 kHz mono."""
    return SPEECH / "1455-134435-0000.flac"


@pytest.fixture(scope="session")
def speech(speech_path) -> tuple[torch.Tensor, int]:
    """The samples of `speech_path`, float32 [T], and their rate."""
    samples, rate = soundfile.read(speech_path, dtype="float32")
    return torch.from_numpy(samples), rate


@pytest.fixture(scope="session")
def corpus_folder(tmp_path_factory) -> Path:
    """A prepared corpus of the clips in tests/speech: two speakers, 18 s."""
    out = tmp_path_factory.mktemp("corpus")
    writer = CorpusWriter(out, 16000)
    for path in sorted(SPEECH.glob("*.flac")):
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
def corpus(corpus_folder) -> Corpus:
    return Corpus(corpus_folder)
