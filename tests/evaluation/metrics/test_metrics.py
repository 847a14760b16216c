"""What holds for every metric."""

import json
import subprocess
import sys

import numpy as np
import pytest

from vqaudio.evaluation.metrics import METRICS, SAMPLE_RATE, Metric, Package

BEST = {
    "pesq_wb": 4.64,
    "estoi": 1,
    "si_sdr": 100,
    "mel_distance": 0,
    "f0_rmse": 0,
    "voicing_error": 0,
    "speaker": 1,
    "wer": 0,
}
NOISES = {"f0_rmse": (0, 0.1), "wer": (0, 0.5, 1)}
"""Gains of noise: more for words, and one for pitch, of which loud noise leaves the clear frames."""

SCRIPT = """
import json, sys, warnings
from pathlib import Path
warnings.simplefilter("error")
import numpy as np
from vqaudio.evaluation.metrics import METRICS
pair = np.load(sys.argv[1])
scores = {n: m.function(*pair) for n, m in METRICS.items() if not m.missing()}
Path(sys.argv[2]).write_text(json.dumps(scores))
"""


@pytest.mark.parametrize("name", METRICS)
def test_best_of_itself_and_worse_with_noise(name, needs, original, noise):
    metric = needs(name)
    gains = NOISES.get(name, (0, 0.1, 0.5))
    scores = [metric.function(original, original + gain * noise) for gain in gains]
    if name in BEST:  # DNSMOS does not look at the original
        assert scores[0] == pytest.approx(BEST[name], abs=0.01)
    assert scores == sorted(scores, reverse=metric.higher_is_better)
    assert len(set(scores)) == len(gains)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("length", [1, 10, 1000, 2 * SAMPLE_RATE])
def test_silence_is_nan(name, length, needs):
    silence = np.zeros(length, np.float32)
    assert np.isnan(needs(name).function(silence, silence))


@pytest.mark.parametrize("name", METRICS)
def test_a_click_is_too_short_to_judge(name, needs, original):
    if name == "si_sdr":
        pytest.skip("defined for any length")
    assert np.isnan(needs(name).function(original[:100], original[:100]))


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("gain", [0, 5])
def test_a_decoder_that_is_mute_or_overdriven_is_judged_or_nan(name, gain, needs, original):
    score = needs(name).function(original, gain * original)
    assert np.isnan(score) or np.isfinite(score)


@pytest.mark.parametrize("name", METRICS)
def test_a_codec_gains_nothing_by_silence(name, needs, original, noise):
    """It counts, and for no more than noise does; where the original is silent, nothing counts."""
    metric, silence = needs(name), np.zeros_like(original)
    scores = [metric.score(original, decoded)[0] for decoded in (silence, noise)]
    assert scores == sorted(scores, reverse=not metric.higher_is_better)
    for decoded in (silence, original):
        score, is_spoilt = metric.score(silence, decoded)
        assert np.isnan(score)
        assert not is_spoilt


@pytest.mark.parametrize("name", METRICS)
def test_what_is_defined_counts_as_it_is(name, needs, original, noise):
    metric = needs(name)
    decoded = original + 0.3 * noise
    assert metric.score(original, decoded) == (metric.function(original, decoded), False)


def test_another_process_agrees_and_nothing_is_printed(original, noise, tmp_path):
    """Judges are quiet, warn of nothing and do not depend on what was judged before."""
    np.save(tmp_path / "pair.npy", [original, original + 0.3 * noise])
    files = [str(tmp_path / name) for name in ("pair.npy", "scores.json")]
    done = subprocess.run([sys.executable, "-c", SCRIPT, *files], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    for name, score in json.loads((tmp_path / "scores.json").read_text()).items():
        again = METRICS[name].function(original, original + 0.3 * noise)
        assert again == pytest.approx(score, rel=1e-5), name


def test_missing_names_the_packages():
    needs = (
        Package("Numpy", "numpy"),
        Package("Gone", "gone_for_good", "==1.2"),
        Package("Hollow", "numpy", file="no/weights"),
    )
    assert Metric(max, "", True, 0, needs).missing() == "Gone==1.2 and Hollow are not installed"
    assert Metric(max, "", True, 0, needs[:2]).missing() == "Gone==1.2 is not installed"
    assert Metric(max, "", True, 0, needs[:1]).missing() is None
    with pytest.raises(FileNotFoundError, match="Gone is not installed"):
        needs[1].path()
