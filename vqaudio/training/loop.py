"""The training loop, for any task: batches in, steps, logs, evaluations, checkpoints, resume."""

import platform
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from vqaudio.training import checkpoint, distributed


@dataclass(frozen=True)
class LoopConfig:
    """`checkpoint_minutes` and `eval_every` (steps) both write a checkpoint, the latter perhaps the
    best. `threads`: of the CPU, null for torch's choice; results are exact only for equal threads."""

    steps: int = 100_000
    seed: int = 0
    log_every: int = 50
    eval_every: int = 2000
    checkpoint_minutes: float = 5.0
    keep: int = 3
    num_workers: int = 1
    threads: int | None = None

    def __post_init__(self):
        for name in ("steps", "log_every", "eval_every", "keep"):
            if getattr(self, name) < 1:
                raise ValueError(f"loop.{name} must be at least 1, not {getattr(self, name)}")


@dataclass(frozen=True)
class Progress:
    """How far a run has come. `best`: its lowest score; `seconds`: on the clock, over all resumes."""

    step: int = 0
    best: float = float("inf")
    seconds: float = 0.0


class Task(Protocol):
    """What the loop trains."""

    seconds_per_step: float
    """Audio that one step hears over all ranks, in seconds."""

    def step(self, batch: Any, n: int) -> dict[str, Tensor | float]:
        """Train on the batch of step n; figures for the log."""

    def evaluate(self, n: int, writer: SummaryWriter) -> float:
        """Log figures, pictures and sounds; the figure by which the best is chosen, lower is better."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


def restore(task: Task, path: Path) -> Progress:
    """Put `task` where the checkpoint `path` left it. Raises ModelError if it does not fit."""
    state = checkpoint.load(path)
    task.load_state_dict(state["task"])
    _set_random_state(state["random"])
    return Progress(state["step"], state["best"], state["seconds"])


def train(
    task: Task,
    batches: Callable[[range], Iterable],
    config: LoopConfig,
    directory: Path,
    progress: Progress = Progress(),
) -> int:
    """Run `task` from `progress` to `config.steps`; 0, or 128 + the signal that ended the run early.

    `batches(range(m, n))` yields the batches of those steps. SIGTERM and SIGINT end the run after the
    step in progress, with a checkpoint; a run that is killed outright loses what came after its last
    checkpoint and nothing else: restored, it ends with the weights it would have had.
    """
    checkpoints = checkpoint.Checkpoints(directory / "checkpoints", config.keep)
    checkpoints.check_none_after(progress.step)
    best, step = progress.best, progress.step
    began = saved_at = time.monotonic()

    def save(is_best: bool = False) -> None:
        if distributed.is_main():
            state = {
                "step": step,
                "best": best,
                "seconds": progress.seconds + time.monotonic() - began,
                "machine": machine(),
                "task": task.state_dict(),
                "random": _random_state(),
            }
            checkpoints.save(step, state, is_best)

    log = _Log(directory, config, step, task.seconds_per_step)
    steps = range(step, config.steps)
    with _stop_requests() as stop:
        for n, batch in zip(steps, batches(steps), strict=True):
            log.add(n, task.step(batch, n))
            step = n + 1
            if step % config.eval_every == 0 or step == config.steps:
                score = task.evaluate(step, log.writer) if distributed.is_main() else 0.0
                is_best, best = score < best, min(best, score)
                log.say(f"step {step}: held-out loss {score:.4f}" + (", the best so far" * is_best))
                save(is_best)
                saved_at = time.monotonic()
            elif time.monotonic() - saved_at > 60 * config.checkpoint_minutes:
                save()
                saved_at = time.monotonic()
            if stop.wanted_by_any_rank() and step < config.steps:
                save()
                log.say(f"stopped after step {step}; resume=auto goes on from there")
                break
    log.close()
    return 0 if step >= config.steps else 128 + (stop.signal or signal.SIGTERM)


def machine() -> str:
    """What trains, in words, for the model's card."""
    if torch.cuda.is_available():
        return f"{distributed.world_size()} x {torch.cuda.get_device_name()}"
    return f"{distributed.world_size() * torch.get_num_threads()} {platform.machine()} CPU cores"


class _StopRequest:
    """Which signal asked the run to end, if any."""

    signal: int = 0

    def wanted_by_any_rank(self) -> bool:
        if distributed.world_size() == 1:
            return bool(self.signal)
        return bool(distributed.sum_over_ranks(torch.tensor(float(self.signal))))


@contextmanager
def _stop_requests() -> Iterator[_StopRequest]:
    """SIGTERM and the first SIGINT are noted inside; a second SIGINT interrupts as usual."""
    request = _StopRequest()

    def note(number: int, _frame: object) -> None:
        request.signal = number
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Log:
    """Means of the steps' figures, to TensorBoard and to the terminal, from the main rank only."""

    def __init__(self, directory: Path, config: LoopConfig, start: int, seconds_per_step: float):
        self.config, self.seconds_per_step = config, seconds_per_step
        self.quiet = not distributed.is_main()
        self.writer = None if self.quiet else SummaryWriter(directory, purge_step=start)
        self.on_terminal = sys.stderr.isatty()
        self.bar = tqdm(
            total=config.steps,
            initial=start,
            unit="step",
            disable=self.quiet or not self.on_terminal,
        )
        self._reset()

    def _reset(self) -> None:
        self.sums: dict[str, Tensor | float] = {}
        self.counts: dict[str, int] = {}
        self.since = time.monotonic()
        self.steps = 0

    def add(self, n: int, figures: dict[str, Tensor | float]) -> None:
        for name, value in figures.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
            self.counts[name] = self.counts.get(name, 0) + 1
        self.steps += 1
        self.bar.update()
        if (n + 1) % self.config.log_every == 0:
            self._flush(n + 1)

    def _flush(self, step: int) -> None:
        means = {name: float(total) / self.counts[name] for name, total in self.sums.items()}
        speed = self.steps * self.seconds_per_step / (time.monotonic() - self.since)
        self._reset()
        if self.quiet:
            return
        for name, value in means.items():
            self.writer.add_scalar(f"train/{name}", value, step)
        self.writer.add_scalar("speed/audio_seconds_per_second", speed, step)
        left = (self.config.steps - step) * self.seconds_per_step / speed
        line = f"loss {means.get('loss', float('nan')):.4f}, {speed:.1f} s of audio a second"
        self.bar.set_postfix_str(line)
        if not self.on_terminal:
            print(f"step {step}/{self.config.steps}: {line}, {left / 60:.0f} min left", flush=True)

    def say(self, line: str) -> None:
        if not self.quiet:
            self.bar.write(line) if self.on_terminal else print(line, flush=True)

    def close(self) -> None:
        self.bar.close()
        if self.writer:
            self.writer.close()


def _random_state() -> dict[str, Any]:
    cuda = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
    return {"torch": torch.get_rng_state(), "cuda": cuda}


def _set_random_state(state: dict[str, Any]) -> None:
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
