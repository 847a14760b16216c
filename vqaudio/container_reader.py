"""Reads .vqc files. `vqaudio.container` has the specification."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np

from vqaudio.container_header import CODED, COUNT, CRC, END, read_exactly, read_header, size_field
from vqaudio.errors import ContainerError
from vqaudio.packing import unpack

if TYPE_CHECKING:
    from vqaudio.entropy import EntropyCoder

SIDE_BY_SIDE = 8
"""Blocks that are decoded at once: a step of the prior takes little longer for 8 codes than for one."""


class Block(NamedTuple):
    """One block as it stands in a file. count: codes per channel; coded: entropy-coded, or packed."""

    count: int
    payload: bytes
    coded: bool


class Reader:
    """Reads a file from a binary stream, which need not be seekable, block by block.

    coder_for: gives the coder of a prior by its fingerprint; those in the package, if not given.
    It is asked when the first block is decoded, and raises ModelError for a prior it does not know.
    progress: called now and then with the codes per channel that are decoded.

    `header` is there at once; iterate for blocks, int64 [C, n]; `num_samples`, `num_codes` (both
    per channel), `num_bytes` and `packed_bytes` (what the file would have were no block entropy-
    coded) are known after the last one. Every block is checked before it is handed out. Holds a few
    blocks at a time (at most 4 MB of file each), whatever the bytes say.

    Raises ContainerError when the bytes are not a sound file.
    """

    def __init__(
        self,
        stream: BinaryIO,
        coder_for: Callable[[bytes], EntropyCoder] | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> None:
        self._stream = stream
        self._coder_for = coder_for
        self._coder: EntropyCoder | None = None
        self._progress = progress
        self.num_codes = 0
        self.num_samples: int | None = None
        self.header, self._crc, self.num_bytes = read_header(stream)
        self.packed_bytes = self.num_bytes - len(self.header.prior or b"")

    def __iter__(self) -> Iterator[np.ndarray]:
        blocks = self._blocks()
        damage = None
        while damage is None and self.num_samples is None:
            group: list[Block] = []
            before = self.num_codes
            try:
                for block in islice(blocks, SIDE_BY_SIDE if self.header.prior else 1):
                    group.append(block)  # one by one: those before a damaged one count
            except ContainerError as error:
                damage = error
            coded = iter(self._decode([block for block in group if block.coded], before))
            for block in group:
                yield next(coded) if block.coded else self._unpack(block)
        if damage is not None:
            raise damage

    def check(self) -> None:
        """Read all, and find every fault but one: payloads are not decoded, so no prior is needed,
        and a wrong one with the right checksum is not noticed."""
        for block in self._blocks():
            if not block.coded:
                self._unpack(block)

    def _blocks(self) -> Iterator[Block]:
        header = self.header
        while self.num_samples is None:
            record = read_exactly(self._stream, COUNT.size)
            (count,) = COUNT.unpack(record)
            if count == 0:
                self._read_end(record)
                return
            coded = header.prior is not None and bool(count & CODED)
            if coded:
                count &= ~CODED
            size = packed_size = header.payload_bytes(count)
            if coded:
                field = size_field(header, count)
                record += read_exactly(self._stream, field.size)
                (size,) = field.unpack(record[COUNT.size :])
                if size >= packed_size:
                    raise ContainerError(f"damaged after {self.num_codes} codes (impossible size)")
            payload = read_exactly(self._stream, size)
            self._check_crc(record + payload)
            self.num_codes += count
            self.packed_bytes += COUNT.size + packed_size + CRC.size
            yield Block(count, payload, coded)

    def _decode(self, blocks: list[Block], before: int) -> list[np.ndarray]:
        if not blocks:
            return []
        coder = self._coder = self._coder or self._find_coder()
        counts = [block.count for block in blocks]
        progress, report = self._progress, None
        if progress:

            def report(share: float) -> None:
                progress(before + share * sum(counts))

        payloads = [block.payload for block in blocks]
        return coder.decode(payloads, counts, self.header.channels, report)

    def _find_coder(self) -> EntropyCoder:
        find = self._coder_for
        if find is None:
            from vqaudio.entropy import packaged_coder as find
        coder = find(self.header.prior)
        if coder.codebook_size != self.header.codebook_size:
            raise ContainerError(
                f"its prior has {coder.codebook_size} codes, and the file {self.header.codebook_size}"
            )
        return coder

    def _unpack(self, block: Block) -> np.ndarray:
        header = self.header
        indices = unpack(block.payload, header.channels, block.count, header.bits_per_code)
        if indices.max() >= header.codebook_size:
            raise ContainerError(f"a code is beyond the {header.codebook_size} of the codebook")
        return indices

    def _read_end(self, count_bytes: bytes) -> None:
        record = count_bytes + read_exactly(self._stream, END.size - COUNT.size)
        self._check_crc(record)
        _, num_samples = END.unpack(record)
        if num_samples < 1 or not self.header.codes_fit(self.num_codes, num_samples):
            raise ContainerError(f"{self.num_codes} codes do not fit {num_samples} samples")
        if self._stream.read(1):
            raise ContainerError("bytes follow the end of the recording")
        self.packed_bytes += len(record) + CRC.size
        self.num_samples = num_samples

    def _check_crc(self, record: bytes) -> None:
        stored = read_exactly(self._stream, CRC.size)
        if stored != CRC.pack(zlib.crc32(self._crc + record)):
            raise ContainerError(f"damaged after {self.num_codes} codes (checksum does not match)")
        self._crc = stored
        self.num_bytes += len(record) + len(stored)
