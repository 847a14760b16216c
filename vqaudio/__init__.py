"""Speech in, discrete codes out, speech back.

codec = vqaudio.load_codec()
codes = codec.encode(wave, sample_rate)
wave = codec.decode(codes)
"""

from importlib import import_module

_PLACES = {
    "Codec": "vqaudio.codec",
    "Codes": "vqaudio.codes",
    "Prior": "vqaudio.prior",
    "load_codec": "vqaudio.codec",
    "load_prior": "vqaudio.prior",
}

__all__ = ["Codec", "Codes", "Prior", "load_codec", "load_prior"]


def __getattr__(name: str) -> object:
    """Import on first use: a command line's --help need not wait for PyTorch."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
