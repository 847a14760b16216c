import json
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[2] / "tools" / "bench_waveform"


def test_cached_steps_are_far_faster_than_the_naive_pass(tmp_path):
    """At one second of sound: some hundreds of times, of which 50 are promised."""
    report = tmp_path / "report.json"
    command = [sys.executable, BENCH, "-s", "1", "-b", "1", "-o", report]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(report.read_text())["rows"]
    assert row["batch"] == 1
    assert row["times_naive"] > 50
    assert row["times_window"] > 1  # of those who know how far back a sample sees
    assert f"| {row['step_ms']:.2f} |" in done.stdout
