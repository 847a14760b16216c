"""How clean speech sounds to listeners, predicted by DNSMOS without looking at the original.

Reddy et al. 2022, "DNSMOS P.835": a network that imitates the ratings of people who judged noise
suppressors. The package speechmos carries its weights; they run here by onnxruntime, one thread.
"""

from functools import lru_cache

import numpy as np

from vqaudio.evaluation.metrics.alignment import SAMPLE_RATE
from vqaudio.evaluation.metrics.metric import Package

WEIGHTS = Package("speechmos", "speechmos", file="dnsmos_models/sig_bak_ovr.onnx")
RUNTIME = Package("onnxruntime", "onnxruntime")
WINDOW = 144160
"""Samples that the network takes at once, 9.01 s; windows start a second apart."""
SHORTEST = 1.0
"""Seconds. Shorter clips, repeated to fill a window, are a rhythm rather than speech."""
CURVE = (-0.06766283, 1.11546468, 0.04602535)
"""From what the network says to the scale of listeners, as published with it: a x^2 + b x + c."""


def dnsmos(reference: np.ndarray, decoded: np.ndarray) -> float:
    """Overall quality (OVRL) of DNSMOS P.835 of the decoded clip alone: 1 (bad) to 5.

    Clean read speech makes about 3 to 3.5. It does not know what was said or by whom: fluent
    nonsense in another's voice is rated well, a decoder that removes noise may pass the original,
    and the loss of everything above 2 kHz goes unpunished. It was made for noise suppressors; small
    differences mean little. Clips under 9 s are repeated to fill a window, and the joins count. nan
    for silence and under SHORTEST.
    """
    if len(decoded) < SHORTEST * SAMPLE_RATE or not reference.any() or not decoded.any():
        return np.nan
    wave = np.clip(decoded, -1, 1).astype(np.float32)
    while len(wave) < WINDOW:
        wave = np.concatenate([wave, wave])
    # As many windows as speechmos takes, so that figures agree with its.
    count = max(1, int(len(wave) // SAMPLE_RATE - WINDOW / SAMPLE_RATE) + 1)
    starts = SAMPLE_RATE * np.arange(count)
    network = _network()
    overall = [
        network.run(None, {"input_1": wave[None, start : start + WINDOW]})[0][0, 2]
        for start in starts
    ]
    return float(np.polyval(CURVE, np.asarray(overall, np.float64)).mean())


@lru_cache(maxsize=1)
def _network():
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    path = str(WEIGHTS.path())
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
