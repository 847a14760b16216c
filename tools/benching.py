"""What the benches share. Nothing that is slow, or large, is imported before it is needed."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
MIB = 2**20


def in_venv() -> None:
    """Run the program again by the checkout's own Python, where there is one."""
    if VENV.is_dir() and Path(sys.prefix).resolve() != VENV.resolve():
        os.execv(VENV / "bin" / "python", [str(VENV / "bin" / "python"), *sys.argv])


def python_path() -> str:
    return os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def timed(run: Callable, *values: object) -> float:
    start = time.perf_counter()
    run(*values)
    return time.perf_counter() - start


def speech(seconds: float, rate: int):
    """Real speech, repeated as often as needed, float32 [T]."""
    import numpy as np
    import soundfile
    import soxr
    import torch

    clips = sorted((ROOT / "tests" / "speech").glob("*.flac"))
    wave = np.concatenate([soundfile.read(clip, dtype="float32")[0] for clip in clips])
    wave = torch.from_numpy(soxr.resample(wave, 16000, rate))
    length = round(seconds * rate)
    return wave.repeat(-(-length // len(wave)))[:length]


def command(operation: str, words: Sequence[object]) -> dict:
    """Run vqaudio-OPERATION: seconds from start to end, and its peak memory. It must end well."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", f"vqaudio.cli.{operation}", *map(str, words)], cwd=ROOT
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        name = Path(sys.argv[0]).name
        raise SystemExit(f"{name}: vqaudio-{operation} ended with {process.returncode}")
    return {"wall_s": wall, "peak_mib": usage.ru_maxrss * 1024 / MIB}
