"""The packets inside an Ogg file (RFC 3533)."""

from vqaudio.errors import VqaudioError

HEADER_PACKETS = 2
"""Identification and comments come first, in Opus and in Speex."""
COUNTED = "Ogg packets and a byte of length for each, without pages and headers"


def count_packets(data: bytes) -> int:
    """Bytes of the audio packets, and one more each to tell where they end.

    Ogg's pages and comments weigh more than a minute of speech at a few kbit/s; a leaner container
    would do, so they are not held against the codec. VqaudioError where this is no Ogg file.
    """
    return sum(len(packet) + 1 for packet in packets(data)[HEADER_PACKETS:])


def packets(data: bytes) -> list[bytes]:
    """The packets of a file with one logical stream. VqaudioError where it is damaged."""
    found, packet, start = [], b"", 0
    while start < len(data):
        lacing = start + 27
        if data[start : start + 4] != b"OggS" or len(data) < lacing:
            raise VqaudioError("not an Ogg file")
        body = lacing + data[lacing - 1]
        for length in data[lacing:body]:
            packet += data[body : body + length]
            body += length
            if length < 255:
                found.append(packet)
                packet = b""
        start = body
    if start > len(data) or packet:
        raise VqaudioError("the Ogg file is cut short")
    return found
