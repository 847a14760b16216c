"""How good decoded speech is: objective measures of one clip against its original.

Everything takes mono float arrays [T] at 16 kHz. A measure that is not defined for a clip, such as
PESQ of silence, is nan. `align` comes first: some codecs delay.
"""

from vqaudio.evaluation.metrics.alignment import SAMPLE_RATE, align
from vqaudio.evaluation.metrics.metric import Metric
from vqaudio.evaluation.metrics.signal import estoi, mel_distance, pesq_wb, si_sdr

__all__ = [
    "METRICS",
    "SAMPLE_RATE",
    "Metric",
    "align",
    "estoi",
    "mel_distance",
    "pesq_wb",
    "si_sdr",
]

METRICS = {
    "pesq_wb": Metric(pesq_wb, "PESQ-WB", True, 2),
    "estoi": Metric(estoi, "ESTOI", True, 3),
    "si_sdr": Metric(si_sdr, "SI-SDR dB", True, 1),
    "mel_distance": Metric(mel_distance, "mel distance", False, 3),
}
"""Every measure of the scorecard, by its name in the report, in the order of the table.

Those with `missing()` need a package that is not installed: leave them out.
"""
