import json
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[2] / "tools" / "bench_waveform"


def test_times_are_told(tmp_path):
    report = tmp_path / "report.json"
    command = [sys.executable, BENCH, "-s", "0.008", "-b", "2", "-o", report]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(report.read_text())["rows"]
    assert row["batch"] == 2
    assert row["step_ms"] > 0
    assert row["naive_seconds"] > 0
    assert f"| {row['step_ms']:.2f} |" in done.stdout
