"""Training the paper's model: it learns to use its codes, and resumes exactly."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, replace

import pytest
import torch
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

from tests.training.test_codec_task import same, start, stop_after
from vqaudio import modelfiles, pretrained
from vqaudio.cli import train as cli
from vqaudio.config import config_directory, from_dict
from vqaudio.data.dataset import CropConfig, Crops, SpeakerCrops
from vqaudio.errors import ModelError
from vqaudio.models.decoder import DecoderConfig
from vqaudio.models.encoder import EncoderConfig
from vqaudio.models.quantizer import QuantizerConfig
from vqaudio.models.vqvae import VQVAE, VQVAEConfig
from vqaudio.models.waveform import WaveformDecoderConfig
from vqaudio.models.waveform_vqvae import WaveformVQVAE, WaveformVQVAEConfig
from vqaudio.models.wavenet import WaveNetConfig
from vqaudio.training import checkpoint, export_waveform
from vqaudio.training.checkpoint import Checkpoints
from vqaudio.training.codebook import CodebookConfig
from vqaudio.training.codec import OptimizerConfig
from vqaudio.training.held_out_waves import HeldOutWaves
from vqaudio.training.loop import LoopConfig, restore, train
from vqaudio.training.waveform import WaveformTask, WaveformTrainingConfig

MODEL = WaveformVQVAEConfig(
    encoder=EncoderConfig(widths=(4, 8, 12, 16), blocks=1, expansion=2),
    quantizer=QuantizerConfig(codebook_size=32, dim=4),
    decoder=WaveformDecoderConfig(
        *(16, 1, 3, 2, 2), WaveNetConfig(width=12, skip=16, kernel=2, dilations=(1, 2, 4), cycles=1)
    ),
)
CONFIG = WaveformTrainingConfig(
    loop=LoopConfig(steps=8, log_every=2, eval_every=8, num_workers=0),
    crops=CropConfig(batch_size=4, seconds=0.064),
    optimizer=OptimizerConfig(rate=1e-3, warmup=2, decay=2),
    codebook=CodebookConfig(kmeans_vectors=512),
    quantize_from=3,
    average_decay=0.9,
    precision="fp32",
)


def make(corpus, config=CONFIG, model=MODEL, initial=None):
    held_out = HeldOutWaves(corpus, hop=16, clips=2, seconds=0.5, shown=1, seconds_shown=0.05)
    return WaveformTask(model, config, corpus, held_out, torch.device("cpu"), initial)


def run(task, steps):
    return [task.step(task.crops[n], n) for n in steps]


def scalars(folder):
    events = EventAccumulator(str(folder)).Reload()
    return {tag: events.Scalars(tag)[-1].value for tag in events.Tags()["scalars"]}


def test_learns_and_uses_its_codes(corpus, tmp_path):
    """A decoder that sees next to nothing of the past, whose encoder starts with large weights."""
    steps = 70
    config = replace(
        CONFIG,
        loop=replace(CONFIG.loop, steps=steps),
        crops=CropConfig(batch_size=4, seconds=0.128),
        optimizer=OptimizerConfig(rate=1e-2, warmup=5, decay=20),
        quantize_from=30,
    )
    network = WaveNetConfig(width=12, skip=16, kernel=2, dilations=(1,), cycles=1)
    task = make(corpus, config, replace(MODEL, decoder=replace(MODEL.decoder, network=network)))
    task.model.encoder.strided[0].weight.data.mul_(20)
    figures = run(task, range(steps))
    assert figures[0]["bits"] == pytest.approx(8, abs=0.5)
    assert "commitment" not in figures[29]
    assert figures[-1]["perplexity_batch"] > 5
    with SummaryWriter(tmp_path) as writer:
        score = task.evaluate(steps, writer)
    logged = scalars(tmp_path)
    assert logged["held-out/bits"] == pytest.approx(score)
    assert score < 7
    assert logged["held-out/bits_shuffled"] > score + 0.2
    assert logged["held-out/bits_zeroed"] > score + 0.2


def test_crops_are_those_of_a_codec_with_their_speakers(corpus):
    given = {"frame": 16, "seed": 3}
    ours = SpeakerCrops(corpus, CONFIG.crops, speakers=["1455", "2414"], **given)
    speakers = set()
    for n in range(5):
        wave, speaker = ours[n]
        assert torch.equal(wave, Crops(corpus, CONFIG.crops, **given)[n])
        assert [ours.speaker(n, row) for row in range(4)] == [
            ("1455", "2414")[place] for place in speaker
        ]
        speakers |= set(speaker.tolist())
    assert speakers == {0, 1}


def test_a_decoder_that_is_not_told_the_speaker(corpus, tmp_path):
    task = make(corpus, model=replace(MODEL, decoder=replace(MODEL.decoder, speakers=0)))
    run(task, range(4))
    with SummaryWriter(tmp_path) as writer:
        assert task.evaluate(4, writer) < 9
        assert task.evaluate(3, writer) == float("inf")  # not yet quantised


def test_codebook_learns_by_its_loss_too(corpus):
    config = replace(CONFIG, codebook=replace(CONFIG.codebook, update="loss"), quantize_from=0)
    task = make(corpus, config)
    run(task, range(1))
    before = task.model.quantizer.codebook.detach().clone()
    assert "codebook" in run(task, range(1, 2))[0]
    assert not torch.equal(task.model.quantizer.codebook, before)


def test_resumed_is_uninterrupted(corpus, tmp_path, monkeypatch):
    whole = make(corpus)
    train(whole, whole.batches, CONFIG.loop, tmp_path / "whole")
    part = make(corpus)
    monkeypatch.setattr(part, "step", stop_after(part.step, 5))
    assert train(part, part.batches, CONFIG.loop, tmp_path / "part") == 128 + signal.SIGTERM
    resumed = make(corpus)
    progress = restore(resumed, Checkpoints(tmp_path / "part" / "checkpoints").latest())
    assert progress.step == 5
    assert train(resumed, resumed.batches, CONFIG.loop, tmp_path / "part", progress) == 0
    assert same(whole.model.state_dict(), resumed.model.state_dict())
    assert same(whole.averaged.state_dict(), resumed.averaged.state_dict())
    assert same(whole.learner.state_dict(), resumed.learner.state_dict())


def test_starting_from_a_codec_it_quantises_at_once_and_so_when_resumed(corpus):
    theirs = VQVAEConfig(encoder=MODEL.encoder, quantizer=MODEL.quantizer)
    codec = VQVAE(replace(theirs, decoder=DecoderConfig(width=8, blocks=1, frame_hop=64)))
    task = make(corpus, initial=codec)
    wave = task.crops[0][0]
    assert torch.equal(task.model.encode(wave), codec.encode(wave))
    assert "commitment" in run(task, range(1))[0]
    resumed = make(corpus)  # as if initial= were not given again
    resumed.load_state_dict(task.state_dict())
    assert "commitment" in run(resumed, range(1, 2))[0]
    other = replace(MODEL, quantizer=replace(MODEL.quantizer, codebook_size=16))
    with pytest.raises(ModelError, match="another encoder or codebook"):
        make(corpus, model=other, initial=codec)


def test_what_does_not_fit_is_refused(corpus, capsys):
    with pytest.raises(ModelError, match="2 speakers, the model room for 1"):
        make(corpus, model=replace(MODEL, decoder=replace(MODEL.decoder, speakers=1)))
    with pytest.raises(ValueError, match="fp61"):
        replace(CONFIG, precision="fp61")
    task = make(corpus)
    state = task.state_dict()
    for change, message in (
        ({"model_config": {}}, "another model"),
        ({"speakers": []}, "speakers"),
    ):
        with pytest.raises(ModelError, match=message):
            task.load_state_dict(state | change)
    make(corpus, replace(CONFIG, average_decay=0.5)).load_state_dict(state)
    assert "average_decay: 0.9 -> 0.5" in capsys.readouterr().err
    task.speakers = ["someone else"]
    with pytest.raises(ModelError, match="speaker that the model knows"):
        task.evaluate(8, None)


def test_codes_and_back():
    model = WaveformVQVAE(MODEL).eval()
    wave = torch.randn(2, 160) / 10
    codes = model.encode(wave)
    assert codes.shape == (2, 10)
    generators = [torch.Generator().manual_seed(i) for i in range(2)]
    decoded = model.decode(codes, torch.tensor([0, 1]), generator=generators)
    assert decoded.shape == wave.shape
    bits = model(wave, torch.tensor([0, 1])).bits
    assert bits.shape == wave.shape


def test_a_run_becomes_a_model_with_a_card(corpus, corpus_folder, tmp_path, capsys):
    out = tmp_path / "model"
    assert export_waveform.main([str(tmp_path), str(out)]) == 1
    assert "no checkpoint" in capsys.readouterr().err
    task = make(corpus)
    train(task, task.batches, CONFIG.loop, tmp_path)
    values = {"data": {"train": str(corpus_folder)}, "training": asdict(CONFIG)}
    (tmp_path / "config.yaml").write_text(OmegaConf.to_yaml(values))
    assert export_waveform.main([str(tmp_path), str(out)]) == 0
    model, card = export_waveform.read(out)
    assert model.config == MODEL
    assert card["speakers"] == ["1455", "2414"]
    for name, value in task.averaged.module.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value, rtol=1e-3, atol=1e-4)
    with pytest.raises(ModelError, match="card"):
        modelfiles.read(out)  # as a codec


def compose_both(overrides=()):
    data = ["data.train=a", "data.held_out=b", "output=c"]
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        cfg = compose("train_waveform", [*overrides, *data])
    values = OmegaConf.to_container(cfg, resolve=True)
    model = WaveformVQVAEConfig.from_dict(values["model"])
    return model, from_dict(WaveformTrainingConfig, values["training"])


def test_yaml_mirrors_the_dataclasses():
    paper = WaveformVQVAEConfig(decoder=WaveformDecoderConfig(speakers=109))
    assert compose_both() == (paper, WaveformTrainingConfig())
    small, _ = compose_both(["model=paper64_small"])
    released = modelfiles.read_card(pretrained.folder_of("speech64"))["config"]
    for model in (paper, small):  # so that initial=speech64 fits
        given = VQVAEConfig.from_dict(released)
        assert (model.encoder, model.quantizer) == (given.encoder, given.quantizer)
    values = yaml.safe_load((config_directory() / "training/waveform.yaml").read_text())
    assert values == json.loads(json.dumps(asdict(WaveformTrainingConfig())))  # lists for tuples


def overrides(corpus_folder, output):
    """A small run of 60 steps, with as many threads in a process of its own as in this one."""
    loop = "steps: 60, log_every: 10, eval_every: 20, num_workers: 0"
    return [
        *(f"output={output}", f"data.train={corpus_folder}", f"data.held_out={corpus_folder}"),
        "model.encoder={widths: [4, 8, 12, 16], blocks: 1, kernel: 7, expansion: 2}",
        "model.quantizer={codebook_size: 32, dim: 4}",
        "model.decoder.network={width: 8, skip: 8, kernel: 2, dilations: [1, 2], cycles: 1}",
        "model.decoder.blocks=0",
        f"training.loop={{{loop}, threads: {torch.get_num_threads()}}}",
        "training.crops={batch_size: 2, seconds: 0.064}",
        "training.codebook.kmeans_vectors=512",
        "training.quantize_from=10",
        "training.seconds_shown=0",
    ]


def test_killed_and_resumed_is_uninterrupted(corpus_folder, tmp_path):
    """Through the command line: kill -9 at some moment, resume=auto, same weights."""
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        cfg = compose("train_waveform", overrides(corpus_folder, tmp_path / "whole"))
    assert cli.run(cfg) == 0
    command = [sys.executable, "-m", "vqaudio.cli.train", "--config-name", "train_waveform"]
    arguments = command + overrides(corpus_folder, tmp_path / "killed")
    quiet = {"stdout": subprocess.DEVNULL}
    victim = start(arguments, tmp_path / "killed" / "checkpoints", **quiet)
    os.kill(victim.pid, signal.SIGKILL)
    assert victim.wait() == -signal.SIGKILL  # it had not finished by itself
    subprocess.run(arguments, check=True, **quiet)
    whole, killed = (
        checkpoint.load(tmp_path / name / "checkpoints" / "step-000000060.pt")["task"]
        for name in ("whole", "killed")
    )
    assert same(whole["averaged"], killed["averaged"])
    assert same(whole["model"], killed["model"])
