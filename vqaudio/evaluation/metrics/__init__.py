"""How good decoded speech is: objective measures of one clip against its original.

Everything takes mono float arrays [T] at 16 kHz. A measure that is not defined for a clip, such as
PESQ of silence, is nan; where only the decoded side is to blame, `Metric.score` gives the worst
value instead. `align` comes first: some codecs delay.
"""

from vqaudio.evaluation.metrics.alignment import SAMPLE_RATE, align, delay
from vqaudio.evaluation.metrics.dnsmos import RUNTIME, WEIGHTS, dnsmos
from vqaudio.evaluation.metrics.metric import Metric, Package
from vqaudio.evaluation.metrics.pitch import F0_WORST, PRAAT, f0_rmse, voicing_error
from vqaudio.evaluation.metrics.signal import (
    PESQ,
    PESQ_WORST,
    SI_SDR_WORST,
    STOI,
    estoi,
    mel_distance,
    pesq_wb,
    si_sdr,
)
from vqaudio.evaluation.metrics.speaker import NEEDS as SPEAKER
from vqaudio.evaluation.metrics.speaker import speaker
from vqaudio.evaluation.metrics.words import MOONSHINE, num_words, wer

__all__ = [
    "METRICS",
    "SAMPLE_RATE",
    "Metric",
    "Package",
    "align",
    "delay",
    "dnsmos",
    "estoi",
    "f0_rmse",
    "mel_distance",
    "num_words",
    "pesq_wb",
    "si_sdr",
    "speaker",
    "voicing_error",
    "wer",
]

METRICS = {
    "pesq_wb": Metric(pesq_wb, "PESQ-WB", True, 2, (PESQ,), worst=PESQ_WORST),
    "estoi": Metric(estoi, "ESTOI", True, 3, (STOI,), worst=0.0),
    "si_sdr": Metric(si_sdr, "SI-SDR dB", True, 1, worst=SI_SDR_WORST),
    "mel_distance": Metric(mel_distance, "mel distance", False, 3),
    "f0_rmse": Metric(f0_rmse, "F0 RMSE cents", False, 0, (PRAAT,), worst=F0_WORST),
    "voicing_error": Metric(voicing_error, "voicing error %", False, 1, (PRAAT,), worst=100.0),
    "dnsmos": Metric(dnsmos, "DNSMOS", True, 2, (WEIGHTS, RUNTIME), worst=1.0),
    "speaker": Metric(speaker, "speaker cosine", True, 3, SPEAKER, worst=0.0),
    "wer": Metric(wer, "WER %", False, 1, (MOONSHINE,), num_words, worst=100.0),
}
"""Every measure of the scorecard, by its name in the report, in the order of the table.

Those with `missing()` need a package that is not installed: leave them out.
"""
