"""From a float prior's run to an integer prior, through the command line."""

import signal
from dataclasses import replace

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from tests.small import small_model
from tests.small_prior import FINGERPRINT, NETWORKS, K, some_codes, write_codes
from tests.training.test_codec_task import same, stop_after
from tests.training.test_prior_task import CONFIG, MODEL, repeating
from vqaudio import modelfiles
from vqaudio.cli import train as cli
from vqaudio.codec import Codec
from vqaudio.config import config_directory, from_dict
from vqaudio.data.chunks import CodeCorpus
from vqaudio.errors import ModelError
from vqaudio.models.code_models import code_model
from vqaudio.models.integer import IntegerCodeModel
from vqaudio.training import export_prior, initial_prior
from vqaudio.training.checkpoint import Checkpoints
from vqaudio.training.held_out_codes import HeldOutCodes, bits_per_code
from vqaudio.training.loop import restore, train
from vqaudio.training.prior import PriorTask, PriorTrainingConfig
from vqaudio.training.quantise import QuantisedCodeModel

NETWORK = replace(NETWORKS[0], width=24, kernel=3)
MODEL = replace(MODEL, network=NETWORK)


@pytest.fixture(scope="module")
def codes_folder(tmp_path_factory):
    return write_codes(tmp_path_factory.mktemp("codes"), repeating(100))


def run(codes_folder, output, *overrides, steps=80):
    """Train, export; the model and its card."""
    loop = f"steps: {steps}, log_every: 40, eval_every: {steps}, num_workers: 0"
    common = [
        *(f"output={output}", f"data.train={codes_folder}", f"data.held_out={codes_folder}"),
        f"training.loop={{{loop}, threads: {torch.get_num_threads()}}}",
        "training.chunks={batch_size: 8, length: 24}",
    ]
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        cfg = compose("train_prior", [*common, *overrides])
    assert cli.run(cfg) == 0
    assert export_prior.main([str(output), str(output / "model")]) == 0
    return modelfiles.read(output / "model", code_model)


@pytest.fixture(scope="module")
def float_run(codes_folder, tmp_path_factory):
    network = "{kind: wavenet, width: 24, skip: 24, kernel: 3, dilations: [1, 3], cycles: 2}"
    return run(
        codes_folder,
        tmp_path_factory.mktemp("run") / "float",
        f"model={{codebook_size: {K}, network: {network}}}",
        "training.optimizer={rate: 1e-2, warmup: 10, decay: 40}",
        "training.average_decay=0.9",
        steps=150,
    )


@pytest.fixture(scope="module")
def float_folder(float_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("float")
    modelfiles.write(folder, *float_run)
    return folder


def test_a_float_prior_becomes_an_integer_one_that_is_as_good(
    codes_folder, float_run, float_folder, tmp_path, capsys
):
    model, card = run(
        codes_folder,
        tmp_path,
        "training=prior_integer",
        f"initial={float_folder}",
        "training.optimizer={rate: 1e-3, warmup: 10, decay: 40}",
        "training.average_decay=0.9",
    )
    assert isinstance(model, IntegerCodeModel)
    assert model.config.network == float_run[0].config.network
    assert card["codec"] == FINGERPRINT.hex()
    assert card["training"]["config"]["integer"] is True
    codes = CodeCorpus(codes_folder)
    floating = bits_per_code(float_run[0], codes)
    assert floating < 1.5
    assert bits_per_code(model, codes) < floating + 0.1
    size, integer_size = (
        (folder / "model.safetensors").stat().st_size
        for folder in (float_folder, tmp_path / "model")
    )
    assert integer_size < 0.7 * size  # half of float16, but for the headers
    assert "learned codes" not in capsys.readouterr().err
    with pytest.raises(ModelError, match="integer prior"):
        initial_prior.load(str(tmp_path / "model"), None, FINGERPRINT)


def test_an_integer_run_resumes_exactly(codes_folder, float_run, tmp_path, monkeypatch):
    config = replace(CONFIG, integer=True)
    codes = CodeCorpus(codes_folder)

    def make():
        held_out = HeldOutCodes(codes)
        return PriorTask(
            float_run[0].config, config, codes, held_out, torch.device("cpu"), float_run[0]
        )

    whole, part, resumed = make(), make(), make()
    train(whole, whole.batches, config.loop, tmp_path / "whole")
    monkeypatch.setattr(part, "step", stop_after(part.step, 5))
    assert train(part, part.batches, config.loop, tmp_path / "part") == 128 + signal.SIGTERM
    progress = restore(resumed, Checkpoints(tmp_path / "part" / "checkpoints").latest())
    assert train(resumed, resumed.batches, config.loop, tmp_path / "part", progress) == 0
    assert same(whole.averaged.state_dict(), resumed.averaged.state_dict())
    assert isinstance(whole.model, QuantisedCodeModel)
    frozen, again = (task.averaged.module.frozen() for task in (whole, resumed))
    assert torch.equal(frozen.levels(some_codes(2, 50)), again.levels(some_codes(2, 50)))
    with pytest.raises(ModelError, match="another model configuration"):
        PriorTask(
            float_run[0].config, CONFIG, codes, HeldOutCodes(codes), torch.device("cpu")
        ).load_state_dict(whole.state_dict())


def test_a_float_run_starts_from_another(codes_folder, float_run, float_folder, tmp_path, capsys):
    other_codec = write_codes(tmp_path / "codes", repeating(20), fingerprint=bytes(8))
    model, card = run(
        other_codec,
        tmp_path / "run",
        "model=prior_initial",
        f"initial={float_folder}",
        "training.optimizer.rate=0",
        steps=1,
    )
    error = capsys.readouterr().err
    assert f"learned codes of codec {FINGERPRINT.hex()}, these are of {bytes(8).hex()}" in error
    assert card["codec"] == bytes(8).hex()
    assert same(model.state_dict(), float_run[0].state_dict())


def test_what_cannot_be_a_start_is_refused(codes_folder, float_folder, tmp_path):
    codes = CodeCorpus(codes_folder)
    with pytest.raises(ModelError, match="initial="):
        initial_prior.load(None, None, FINGERPRINT)
    with pytest.raises(ModelError, match="another model configuration"):
        initial_prior.load(str(float_folder), replace(MODEL, codebook_size=5), FINGERPRINT)
    with pytest.raises(ModelError, match="no model here"):
        initial_prior.load(str(tmp_path), None, FINGERPRINT)
    for config, message in (
        (replace(CONFIG, integer=True), "made from a float prior"),
        (replace(CONFIG, codebook_start=True), "data.codec="),
    ):
        with pytest.raises(ModelError, match=message):
            PriorTask(MODEL, config, codes, HeldOutCodes(codes), torch.device("cpu"))
    with pytest.raises(ValueError, match="codebook"):
        replace(CONFIG, integer=True, codebook_start=True)


def test_a_start_from_the_codebook(tmp_path):
    """Its model differs from the one that starts without, in embedding and head alone."""
    codec = Codec(small_model())
    rows = [torch.randint(512, (40,)).numpy()]
    codes = CodeCorpus(write_codes(tmp_path, rows, fingerprint=codec.fingerprint))
    model = replace(MODEL, codebook_size=512)
    with_it, without = (
        PriorTask(
            model,
            replace(CONFIG, codebook_start=start),
            codes,
            HeldOutCodes(codes, codec),
            torch.device("cpu"),
        ).model.state_dict()
        for start in (True, False)
    )
    differ = {name for name in without if not torch.equal(with_it[name], without[name])}
    assert differ == {"embedding.weight", "head.weight", "head.bias"}


def test_yaml_of_the_integer_run():
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        cfg = compose(
            "train_prior",
            ["training=prior_integer", "data.train=a", "data.held_out=b", "output=c", "initial=d"],
        )
    values = OmegaConf.to_container(cfg, resolve=True)
    assert values["model"] == initial_prior.ITS_MODEL
    training = from_dict(PriorTrainingConfig, values["training"])
    assert training.integer
    assert training.chunks == PriorTrainingConfig().chunks
