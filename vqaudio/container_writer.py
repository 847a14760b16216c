"""Writes .vqc files. `vqaudio.container` has the specification."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import torch

from vqaudio.container_header import CODED, COUNT, CRC, END, PRIOR_BYTES, Header, size_field
from vqaudio.errors import ContainerError, ModelError
from vqaudio.packing import pack

if TYPE_CHECKING:
    from vqaudio.entropy import EntropyCoder

BLOCK_CODES = 1536


class Writer:
    """Writes a file to a binary stream, which need not be seekable, as codes become known.

    coder: to entropy-code with, where that makes the file smaller.

    The file is complete only after `close`. `num_codes` (per channel) and `num_bytes` tell how
    much was written: a pipe cannot be asked. Raises what the stream's write raises.
    """

    def __init__(self, stream: BinaryIO, header: Header, coder: EntropyCoder | None = None) -> None:
        self.header = replace(header, prior=None)  # the first block decides whether it has one
        self.num_codes = 0
        self.num_bytes = 0
        self._stream = stream
        self._coder = coder
        self._pending: list[np.ndarray] = []
        self._pending_codes = 0
        self._crc = b""
        if coder is None:
            self._put(self.header.to_bytes())
        elif coder.codebook_size != header.codebook_size:
            raise ModelError(
                f"a prior of {coder.codebook_size} codes does not fit {header.codebook_size}"
            )

    def write(self, indices: np.ndarray | torch.Tensor) -> None:
        """Append codes, integers [C, n] in [0, K), any n. Raises ValueError for anything else."""
        if isinstance(indices, torch.Tensor):
            indices = indices.cpu().numpy()
        if indices.ndim != 2 or indices.shape[0] != self.header.channels:
            raise ValueError(f"codes must be [{self.header.channels}, n], not {indices.shape}")
        if indices.dtype.kind not in "iu":
            raise ValueError(f"codes must be integers, not {indices.dtype}")
        if indices.size and not 0 <= indices.min() <= indices.max() < self.header.codebook_size:
            raise ValueError(f"codes must be in 0..{self.header.codebook_size - 1}")
        # A copy: callers may reuse their buffer.
        self._pending.append(indices.astype(np.uint16))
        self._pending_codes += indices.shape[1]
        self.num_codes += indices.shape[1]
        if self._pending_codes >= BLOCK_CODES:
            self._flush(self._pending_codes // BLOCK_CODES * BLOCK_CODES)

    def close(self, num_samples: int) -> None:
        """Write what is left and the end record; the stream stays open.

        `num_samples`: length of the original per channel. Raises ContainerError when the codes
        written do not fit it.
        """
        if num_samples < 1 or not self.header.codes_fit(self.num_codes, num_samples):
            raise ContainerError(f"{self.num_codes} codes do not fit {num_samples} samples")
        self._flush(self._pending_codes)
        self._put(END.pack(0, num_samples))

    def _flush(self, count: int) -> None:
        pending = np.concatenate(self._pending, axis=1) if self._pending else np.zeros((1, 0))
        for start in range(0, count, BLOCK_CODES):
            self._put_block(pending[:, start : min(start + BLOCK_CODES, count)])
        self._pending = [pending[:, count:]]
        self._pending_codes -= count

    def _put_block(self, block: np.ndarray) -> None:
        count = block.shape[1]
        payload = pack(block, self.header.bits_per_code)
        record = COUNT.pack(count) + payload
        if self._coder is not None:
            coded = self._coder.encode(block)
            size = size_field(self.header, count)
            saved = len(payload) - len(coded) - size.size
            if not self.num_bytes:
                self._begin(saved)
            # Not even built where it is larger: its size need not fit the field.
            if self.header.prior and saved > 0:
                record = COUNT.pack(count | CODED) + size.pack(len(coded)) + coded
        self._put(record)

    def _begin(self, saved: int) -> None:
        """Write the header, now that it is known what the first block saves, in bytes."""
        if saved > PRIOR_BYTES:
            self.header = replace(self.header, prior=self._coder.fingerprint)
        else:
            self._coder = None
        self._put(self.header.to_bytes())

    def _put(self, record: bytes) -> None:
        self._crc = CRC.pack(zlib.crc32(self._crc + record))
        self._stream.write(record + self._crc)
        self.num_bytes += len(record) + len(self._crc)
