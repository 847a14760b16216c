"""Other codecs to compare with: command lines, C libraries, and functions of bytes.

A codec that runs as two commands, over files, is one line more in PEERS:

    CommandPeer("gsm", "sox -t s16 -r 8000 -c 1 {input} -t gsm {output}",
                "sox -t gsm {input} -t s16 {output}", 8000, 13200, package="Debian's sox")

and one that is a Python library is a FunctionPeer of two functions. Such lines may as well stand in
a file of the user's own, an adapter. Anything that a Coder is can stand in a scorecard too. What a
codec delays by up to 0.1 s is moved back; one that delays more must cut that off itself.
"""

import shlex
import sys
from functools import partial

from vqaudio.evaluation.peers import native
from vqaudio.evaluation.peers.coder import SAMPLE_RATE, Coded, Coder
from vqaudio.evaluation.peers.command import CommandPeer
from vqaudio.evaluation.peers.encodec import EncodecPeer
from vqaudio.evaluation.peers.function import FunctionPeer, mulaw_decode, mulaw_encode
from vqaudio.evaluation.peers.ogg import COUNTED, count_packets

__all__ = [
    "DEFAULT",
    "PEERS",
    "SAMPLE_RATE",
    "Coded",
    "Coder",
    "CommandPeer",
    "EncodecPeer",
    "FunctionPeer",
]


def _codec2(mode: str, nominal: float, frame: float) -> CommandPeer:
    """frame: seconds. The codec's own delay is 40 ms."""
    return CommandPeer(
        f"codec2-{mode}",
        f"c2enc {mode} {{input}} {{output}}",
        f"c2dec {mode} {{input}} {{output}}",
        8000,
        nominal,
        package="Debian's codec2",
        padding=0.04 + frame,
    )


def _native(name: str, codec: str, nominal: float, padding: float, **options) -> CommandPeer:
    program = shlex.join([sys.executable, "-I", native.__file__])
    encoder, decoder = (
        f"{program} {codec}-{way} {{input}} {{output}}" for way in ("encode", "decode")
    )
    return CommandPeer(name, encoder, decoder, SAMPLE_RATE, nominal, padding=padding, **options)


def _amrwb_missing() -> str | None:
    encoder = native.missing("vo-amrwbenc", "E_IF_encode", "Debian's libvo-amrwbenc0")
    return encoder or native.missing("opencore-amrwb", "D_IF_decode", "Debian's libopencore-amrwb0")


_ALL: tuple[Coder, ...] = (
    _codec2("3200", 3200, 0.02),
    _codec2("2400", 2400, 0.02),
    _codec2("1200", 1200, 0.04),
    _codec2("700C", 700, 0.04),
    _native(
        "codec2-lpcnet",
        "lpcnet",
        52 / 0.03,
        padding=0.06,
        check=partial(native.missing, "codec2", "lpcnet_enc", "Debian's libcodec2"),
    ),
    CommandPeer(
        "opus-6k",
        # Frames of 60 ms: with shorter ones a third of so low a rate would be packets' headers.
        "opusenc --quiet --bitrate 6 --framesize 60 {input} {output}",
        "opusdec --quiet --rate 16000 {input} {output}",
        SAMPLE_RATE,
        6000,
        "wav",
        "Debian's opus-tools",
        count=count_packets,
        counted=COUNTED,
        tell_version="opusenc --version",
    ),
    CommandPeer(
        "speex",
        # Ten frames to a packet: with one, a sixth of the rate would go into padding and lengths.
        "speexenc --wideband --quality 1 --nframes 10 {input} {output}",
        "speexdec {input} {output}",
        SAMPLE_RATE,
        5750,
        "wav",
        "Debian's speex",
        padding=0.02,
        count=count_packets,
        counted=COUNTED,
        tell_version="speexenc --version",
    ),
    _native("amr-wb", "amrwb", 6600, padding=0.02, check=_amrwb_missing),
    EncodecPeer("encodec-1.5k", 1500),
    EncodecPeer("encodec-3k", 3000),
    EncodecPeer("encodec-6k", 6000),
    FunctionPeer("mulaw", mulaw_encode, mulaw_decode, 128000),
)

PEERS: dict[str, Coder] = {peer.name: peer for peer in _ALL}
"""Every peer that a scorecard can name."""

DEFAULT = (
    *("codec2-3200", "codec2-2400", "codec2-lpcnet", "opus-6k", "speex", "amr-wb"),
    *("encodec-3k", "mulaw"),
)
"""Those that it names where nobody says otherwise."""
