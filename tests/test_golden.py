"""Invariant 8: files, models and checkpoints of earlier versions keep working.

tests/golden was written once by this program and must not be written again when a format changes:
add a new set beside it. (tests/test_container.py guards the bytes of a .vqc file themselves.)

    python -m tests.test_golden FOLDER CORPUS

`write_entropy` wrote what came later.
"""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.conftest import SPEECH
from tests.small_prior import small_integer_prior
from vqaudio import audio
from vqaudio.codec import Codec
from vqaudio.codes import Codes
from vqaudio.data.dataset import CropConfig
from vqaudio.data.manifest import Corpus
from vqaudio.models.decoder import DecoderConfig
from vqaudio.models.discriminators import DiscriminatorConfig
from vqaudio.models.encoder import EncoderConfig
from vqaudio.models.quantizer import QuantizerConfig
from vqaudio.models.vqvae import VQVAE, VQVAEConfig
from vqaudio.prior import Prior
from vqaudio.training import checkpoint
from vqaudio.training.codec import CodecTask, CodecTrainingConfig
from vqaudio.training.held_out import HeldOut
from vqaudio.training.loop import LoopConfig, restore, train

GOLDEN = Path(__file__).parent / "golden"
TINY = VQVAEConfig(
    encoder=EncoderConfig(widths=(2, 2, 4, 4, 4, 4), blocks=1, expansion=1),
    quantizer=QuantizerConfig(codebook_size=16, dim=2),
    decoder=DecoderConfig(width=4, blocks=1, expansion=1, window=256),
)
TRAINING = CodecTrainingConfig(
    loop=LoopConfig(steps=4, eval_every=4, num_workers=0),
    crops=CropConfig(batch_size=2, seconds=0.256),
    discriminators=DiscriminatorConfig((2,), (2,), (256,), 2),
    codebook=replace(CodecTrainingConfig().codebook, kmeans_vectors=256),
    quantize_from=1,
    adversarial_from=2,
    precision="fp32",
)


def make_task(corpus):
    held_out = HeldOut(corpus, frame=128, clips=1, seconds=1, shown=0)
    return CodecTask(TINY, TRAINING, corpus, held_out, torch.device("cpu"))


def test_a_model_of_version_1_decodes_its_file_as_then():
    codec = Codec.load(GOLDEN / "model-v1")
    codes = Codes.load(GOLDEN / "speech-v1.vqc")
    decoded = codec.decode(codes)
    expected, rate = audio.read(GOLDEN / "speech-v1.wav")
    assert rate == codes.sample_rate == 8000
    torch.testing.assert_close(decoded, expected, rtol=0, atol=1e-3)
    assert decoded.abs().max() > 0.01


def test_an_entropy_coded_file_of_version_1_is_read_and_written_as_then(tmp_path):
    """Its codes were drawn from its prior. tests/test_entropy_files.py guards the rest."""
    prior = Prior.load(GOLDEN / "prior-v1")
    codes = Codes.load(GOLDEN / "entropy-v1.vqc", prior)
    assert codes.equal(Codes.load(GOLDEN / "entropy-v1-packed.vqc"))
    assert codes.indices.shape == (1, 3750)  # three blocks
    codes.save(tmp_path / "a.vqc", entropy=prior)
    data = (GOLDEN / "entropy-v1.vqc").read_bytes()
    assert (tmp_path / "a.vqc").read_bytes() == data
    assert len(data) < (GOLDEN / "entropy-v1-packed.vqc").stat().st_size - 50


def test_a_checkpoint_of_version_1_goes_on(corpus, tmp_path):
    path = GOLDEN / "checkpoint-v1.pt"
    task = make_task(corpus)
    progress = restore(task, path)
    assert progress.step == 4
    config = replace(TRAINING.loop, steps=6)
    train(task, task.batches, config, tmp_path, progress)
    assert (tmp_path / "checkpoints" / "step-000000006.pt").exists()


@pytest.mark.parametrize(
    "name", ["model-v1/model.safetensors", "prior-v1/model.safetensors", "checkpoint-v1.pt"]
)
def test_golden_files_are_small(name):
    assert (GOLDEN / name).stat().st_size < 200_000


def write(folder: Path, corpus: Corpus) -> None:
    torch.manual_seed(0)
    model = VQVAE(TINY)
    torch.nn.init.normal_(model.quantizer.codebook)
    Codec(model).save(folder / "model-v1", {"name": "golden"})
    codec = Codec.load(folder / "model-v1")
    wave, rate = audio.read(SPEECH / "1455-134435-0000.flac")
    short = wave[:, : 2 * rate : 2]
    codes = codec.encode(short, rate // 2)
    codes.save(folder / "speech-v1.vqc")
    audio.write(folder / "speech-v1.wav", codec.decode(codes), rate // 2)
    task = make_task(corpus)
    train(task, task.batches, TRAINING.loop, folder / "run")
    newest = checkpoint.Checkpoints(folder / "run" / "checkpoints").latest()
    newest.rename(folder / "checkpoint-v1.pt")


def write_entropy(folder: Path) -> None:
    codec = Codec.load(GOLDEN / "model-v1")
    prior = Prior(small_integer_prior(16), {"name": "golden", "codec": codec.fingerprint.hex()})
    prior.save(folder / "prior-v1")
    codes = prior.sample(codec, 15)
    codes.save(folder / "entropy-v1.vqc", entropy=prior)
    codes.save(folder / "entropy-v1-packed.vqc")


if __name__ == "__main__":
    write(Path(sys.argv[1]), Corpus(sys.argv[2]))
