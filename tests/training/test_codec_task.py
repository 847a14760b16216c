"""One step, many steps, two ranks; and a run that is killed and goes on."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
import torch.multiprocessing as mp

from tests.small import SMALL
from vqaudio.data.dataset import CropConfig
from vqaudio.data.manifest import Corpus
from vqaudio.errors import ModelError
from vqaudio.models.discriminators import DiscriminatorConfig
from vqaudio.training import checkpoint, distributed
from vqaudio.training.checkpoint import Checkpoints
from vqaudio.training.codebook import CodebookConfig
from vqaudio.training.codec import CodecTask, CodecTrainingConfig, OptimizerConfig
from vqaudio.training.held_out import HeldOut
from vqaudio.training.initial import Initial
from vqaudio.training.loop import LoopConfig, Progress, restore, train

CONFIG = CodecTrainingConfig(
    loop=LoopConfig(steps=8, log_every=2, eval_every=8, num_workers=0),
    crops=CropConfig(batch_size=4, seconds=0.256),
    optimizer=OptimizerConfig(rate=1e-3, warmup=2, decay=2),
    codebook=CodebookConfig(kmeans_vectors=1024),
    quantize_from=3,
    precision="fp32",
)
SMALL_CRITICS = DiscriminatorConfig((2, 3), (4, 4), (256,), 4)


def make(corpus, config=CONFIG, model=SMALL, **arguments):
    held_out = HeldOut(corpus, frame=128, clips=1, seconds=1, shown=1)
    return CodecTask(model, config, corpus, held_out, torch.device("cpu"), **arguments)


def run(task, steps):
    return [task.step(task.crops[n], n) for n in steps]


def weights(task):
    return {name: value.clone() for name, value in task.model.state_dict().items()}


def same(ours, theirs):
    return all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_learns(corpus):
    config = replace(
        CONFIG, loop=LoopConfig(steps=80), optimizer=OptimizerConfig(rate=4e-3, warmup=5, decay=20)
    )
    task = make(corpus, replace(config, quantize_from=50))
    batch = task.crops[0]
    with torch.no_grad():
        before = float(task.mel(task.model(batch, quantize=False).wave, batch))
    figures = run(task, range(80))
    after = float(task.mel(task.model(batch).wave.detach(), batch))
    assert after < 0.8 * before
    assert "commitment" not in figures[49]
    assert figures[79]["perplexity_batch"] > 10  # a collapsed codebook makes 1


def test_held_out_clips_that_are_all_too_short_are_refused(corpus):
    held_out = HeldOut(corpus, frame=10**9)
    with pytest.raises(ModelError, match="no held-out clip is long enough"):
        CodecTask(SMALL, CONFIG, corpus, held_out, torch.device("cpu"))


def test_codebook_learns_either_way(corpus):
    for update in ("ema", "loss"):
        codebook = replace(CONFIG.codebook, update=update, restart_below=0.0)
        task = make(corpus, replace(CONFIG, codebook=codebook))
        run(task, range(4))
        before = task.model.quantizer.codebook.detach().clone()
        figures = run(task, range(4, 5))[0]
        assert ("codebook" in figures) == (update == "loss")
        assert not torch.equal(task.model.quantizer.codebook, before)


def test_adversarial_from_a_chosen_step_on(corpus):
    config = replace(CONFIG, adversarial_from=5, discriminators=SMALL_CRITICS)
    task = make(corpus, config)
    critics = {n: p.clone() for n, p in task.discriminators.state_dict().items()}
    figures = run(task, range(5))
    assert same(critics, task.discriminators.state_dict())
    assert "feature_matching" not in figures[-1]
    figures = run(task, range(5, 6))
    assert not same(critics, task.discriminators.state_dict())
    assert figures[-1]["feature_matching"] > 0


@pytest.mark.parametrize("adversarial_from", [None, 2])
def test_resumed_is_uninterrupted(corpus, tmp_path, monkeypatch, adversarial_from):
    """Invariant 6 within a process: the weights are the same, bit for bit."""
    config = replace(CONFIG, adversarial_from=adversarial_from, discriminators=SMALL_CRITICS)
    whole = make(corpus, config)
    train(whole, whole.batches, config.loop, tmp_path / "whole")
    part = make(corpus, config)
    monkeypatch.setattr(part, "step", stop_after(part.step, 5))
    assert train(part, part.batches, config.loop, tmp_path / "part") == 128 + signal.SIGTERM
    resumed = make(corpus, config)
    progress = restore(resumed, Checkpoints(tmp_path / "part" / "checkpoints").latest())
    assert progress.step == 5
    assert progress.seconds > 0
    assert train(resumed, resumed.batches, config.loop, tmp_path / "part", progress) == 0
    assert same(weights(whole), weights(resumed))
    assert same(whole.averaged.state_dict(), resumed.averaged.state_dict())
    assert same(whole.learner.state_dict(), resumed.learner.state_dict())


def stop_after(step, steps):
    """`step`, but after so many it is as if someone had asked the run to end."""

    def wrapped(batch, n):
        if n + 1 == steps:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(batch, n)

    return wrapped


def test_a_run_that_is_past_its_end_is_done(corpus, tmp_path):
    task = make(corpus)
    assert train(task, task.batches, CONFIG.loop, tmp_path, Progress(step=9)) == 0


def test_signals_are_as_before_after_training(corpus, tmp_path):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    task = make(corpus)
    train(task, task.batches, replace(CONFIG.loop, steps=1), tmp_path)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_run_that_came_further_is_not_overwritten(corpus, tmp_path):
    task = make(corpus)
    train(task, task.batches, replace(CONFIG.loop, steps=4), tmp_path)
    fresh = make(corpus)
    with pytest.raises(ModelError, match="came further"):
        train(fresh, fresh.batches, CONFIG.loop, tmp_path)
    assert Checkpoints(tmp_path / "checkpoints").latest().name == "step-000000004.pt"


def test_changes_since_the_checkpoint_are_said(corpus, capsys):
    state = make(corpus).state_dict()
    make(corpus, replace(CONFIG, average_decay=0.5)).load_state_dict(state)
    assert "average_decay: 0.999 -> 0.5" in capsys.readouterr().err
    other = make(corpus)
    with pytest.raises(ModelError, match="another model"):
        other.load_state_dict(state | {"model_config": {}})


def test_codebook_starts_by_kmeans_even_at_step_0(corpus):
    task = make(corpus, replace(CONFIG, quantize_from=0))
    run(task, range(1))
    assert task.learner.usage.count_nonzero() > 50


def test_fine_tuning_resumed_is_still_fine_tuning(corpus):
    task = make(corpus)
    run(task, range(4))
    tuned = make(corpus, initial=Initial(task.model.state_dict(), True, None))
    run(tuned, range(1))
    resumed = make(corpus)  # as if initial= were not given again
    resumed.load_state_dict(tuned.state_dict())
    assert "commitment" in run(resumed, range(1, 2))[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: LoopConfig(eval_every=0), "eval_every"),
        (lambda: replace(CONFIG, precision="fp61"), "fp61"),
        (lambda: replace(CONFIG, adversarial_from=8), "adversarial_from"),
        (lambda: CodebookConfig(update="magic"), "magic"),
    ],
)
def test_configurations_that_make_no_sense_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        change()


def command(corpus_folder, output):
    """A small run by the command line, of 120 steps."""
    small = [
        "model.encoder.widths=[4,6,8,12,16,16]",
        "model.encoder.blocks=1",
        "model.decoder={width: 24, blocks: 1, kernel: 7, expansion: 2, window: 512, frame_hop: 128}",
        "training.loop={steps: 120, log_every: 10, eval_every: 20, num_workers: 1, threads: 1}",
        "training.crops.batch_size=2",
        "training.quantize_from=30",
        "training.codebook.kmeans_vectors=1024",
    ]
    data = [f"data.train={corpus_folder}", f"data.held_out={corpus_folder}"]
    return [sys.executable, "-m", "vqaudio.cli.train", f"output={output}"] + data + small


def start(arguments, checkpoints, **options):
    """The process, once it has written its second checkpoint."""
    process = subprocess.Popen(arguments, **options)
    deadline = time.monotonic() + 120
    while not list(checkpoints.glob("step-*40.pt")) and time.monotonic() < deadline:
        time.sleep(0.01)
    return process


def test_killed_and_resumed_is_uninterrupted(corpus_folder, tmp_path):
    """Invariant 6 through the command line: kill -9 at some moment, resume=auto, same weights."""
    quiet = {"stdout": subprocess.DEVNULL}
    subprocess.run(command(corpus_folder, tmp_path / "whole"), check=True, **quiet)
    arguments = command(corpus_folder, tmp_path / "killed")
    victim = start(arguments, tmp_path / "killed" / "checkpoints", **quiet)
    os.kill(victim.pid, signal.SIGKILL)
    assert victim.wait() == -signal.SIGKILL  # it had not finished by itself
    subprocess.run(arguments, check=True, **quiet)
    whole, killed = (
        checkpoint.load(tmp_path / name / "checkpoints" / "step-000000120.pt")["task"]
        for name in ("whole", "killed")
    )
    assert same(whole["averaged"], killed["averaged"])
    assert same(whole["model"], killed["model"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_all_its_processes_ends_a_run_in_good_order(corpus_folder, tmp_path, number):
    """As Ctrl-C and job schedulers send it: the processes that load data get it too."""
    checkpoints = tmp_path / "checkpoints"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    arguments = command(corpus_folder, tmp_path)
    process = start(arguments, checkpoints, **pipes, start_new_session=True)
    os.killpg(process.pid, number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number, err
    step = int(re.search(r"stopped after step (\d+)", out)[1])
    assert Checkpoints(checkpoints).latest().name == f"step-{step:09d}.pt"


def _train_with_ranks(rank, world_size, port, folder, out):
    os.environ.update(
        RANK=str(rank), WORLD_SIZE=str(world_size), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port)
    )
    torch.set_num_threads(1)
    distributed.start("cpu")
    # Adam turns rounding into whole steps where a gradient is nearly zero. At this rate the weights
    # stand still, so that what remains are the gradients and all that the codebook does.
    config = replace(
        CONFIG,
        optimizer=OptimizerConfig(rate=1e-9, warmup=0, decay=0),
        codebook=replace(CONFIG.codebook, restart_below=0.5),
    )
    model = replace(SMALL, quantizer=replace(SMALL.quantizer, codebook_size=32))
    task = make(Corpus(folder), config, model)
    restarted = sum(figures.get("restarted", 0) for figures in run(task, range(6)))
    assert restarted > 0  # or restarts would go untested
    torch.save(task.state_dict(), f"{out}/{world_size}-{rank}.pt")
    distributed.stop()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def apart(ours, theirs):
    return ((ours - theirs).norm() / theirs.norm()).item()


def test_two_ranks_train_what_one_trains(corpus_folder, tmp_path):
    """Invariant 7: half the batch each, the same codebook; identical between the ranks."""
    for world_size in (1, 2):
        arguments = (world_size, free_port(), corpus_folder, tmp_path)
        mp.spawn(_train_with_ranks, arguments, nprocs=world_size)
    alone, first, second = (torch.load(tmp_path / f"{n}.pt") for n in ("1-0", "2-0", "2-1"))
    assert same(first["model"], second["model"])
    assert same(first["learner"], second["learner"])
    # Rounding sends some vectors at near ties to the other code (silence makes many of those). What
    # is not summed over ranks, or summed twice, is off by a half or more.
    for name in ("counts", "sums", "usage"):
        assert apart(first["learner"][name], alone["learner"][name]) < 0.1
    assert apart(*(s["model"]["quantizer.codebook"] for s in (first, alone))) < 0.1
    ours, theirs = (s["optimizer"]["state"] for s in (first, alone))
    for key in theirs:
        assert apart(ours[key]["exp_avg"], theirs[key]["exp_avg"]) < 0.1


def test_fine_tuning_starts_from_given_weights_and_quantises_at_once(corpus):
    task = make(corpus)
    run(task, range(5))
    tuned = make(corpus, initial=Initial(task.model.state_dict(), True, None))
    assert same(weights(tuned), weights(task))
    assert "commitment" in run(tuned, range(1))[0]


def test_starting_from_a_part_of_the_weights_the_codebook_starts_afresh(corpus):
    task = make(corpus)
    run(task, range(5))
    part = {n: v for n, v in weights(task).items() if n.startswith("decoder.blocks")}
    begun = make(corpus, initial=Initial(part, False, None))
    assert all(torch.equal(weights(begun)[name], part[name]) for name in part)
    figures = run(begun, range(4))
    assert "commitment" not in figures[2]
    assert "commitment" in figures[3]


def test_discriminators_start_from_given_weights(corpus):
    config = replace(CONFIG, adversarial_from=0, discriminators=SMALL_CRITICS)
    task = make(corpus, config)
    run(task, range(2))
    start = Initial(task.model.state_dict(), True, task.discriminators.state_dict())
    tuned = make(corpus, config, initial=start)
    assert same(task.discriminators.state_dict(), tuned.discriminators.state_dict())
