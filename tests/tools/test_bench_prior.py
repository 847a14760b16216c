import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.evaluation.priors.small import counting_prior, float_prior
from tests.small import small_model
from vqaudio.codec import Codec

BENCH = Path(__file__).parents[2] / "tools" / "bench_prior"


def bench(*words) -> subprocess.CompletedProcess:
    quick = ["-c", "20", "-l", "0.5", "-r", "1", "--starts", "0", "-t", "1"]
    command = [sys.executable, BENCH, *quick, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A codec and two priors of it."""
    root = tmp_path_factory.mktemp("home")
    Codec(small_model()).save(root / "codec")
    codec = Codec.load(root / "codec")
    float_prior(codec).save(root / "float")
    counting_prior(codec, np.arange(512)).save(root / "counting")
    return root


def test_an_integer_prior(home, tmp_path):
    report = tmp_path / "report.json"
    done = bench("-m", home / "codec", "-p", home / "counting", "-o", report)
    assert done.returncode == 0, done.stderr
    told = json.loads(report.read_text())
    assert [case["batch"] for case in told["sampling"]] == [1, 8]
    for case in told["sampling"]:
        assert case["same_codes"]
        assert case["cached_codes_s"] > 0
    (coded,) = told["entropy"]
    assert coded["seconds"] == 0.5
    assert coded["encode_rtf"] > 0
    assert coded["decode_rtf"] > 0
    assert "| 0.5 s |" in done.stdout


def test_a_prior_that_cannot_code(home):
    done = bench("-m", home / "codec", "-p", home / "float")
    assert done.returncode == 0, done.stderr
    assert "No entropy coding: this prior works in floating point." in done.stdout


def test_what_is_not_there_is_one_line(home):
    done = bench("-m", home / "codec")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("bench_prior: ")
    assert "has no packaged prior" in done.stderr
    assert done.stderr.count("\n") == 1
