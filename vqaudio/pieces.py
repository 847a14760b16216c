"""Working on a stream of any length piece by piece, as if it were done in one go.

A stream is cut at fixed places into pieces of the same size, each piece is run with as much of its
surroundings as its result depends on, and the surroundings are cropped away. So what comes out does
not depend on how the input was cut on its way in, differs from one run over the whole stream by
float rounding only, and needs memory for one piece.
"""

from collections.abc import Callable

import torch
from torch import Tensor


class PieceStream:
    """Runs `function` over a stream [batch, n], piece by piece, each with its surroundings.

    `function` maps [batch, T] to [batch, T * r] for a fixed rational r, where T is a multiple of
    `unit`, and an output depends on at most `context` inputs on either side. `piece` and `context`
    are multiples of `unit` too. The end is padded with `fill` to a multiple of `unit`.
    """

    def __init__(
        self,
        function: Callable[[Tensor], Tensor],
        batch: int,
        piece: int,
        context: int,
        unit: int,
        fill: float,
        dtype: torch.dtype,
    ):
        self._function = function
        self._piece = piece
        self._context = context
        self._unit = unit
        self._fill = torch.full((batch, 1), fill, dtype=dtype)
        self._restart()

    def push(self, chunk: Tensor) -> Tensor:
        """Take [batch, n], n >= 0; return the outputs whose surroundings are now complete."""
        if chunk.ndim != 2 or len(chunk) != len(self._fill):
            raise ValueError(f"a chunk [{len(self._fill)}, n] was expected, not {[*chunk.shape]}")
        self._parts.append(chunk.to("cpu", self._fill.dtype, copy=True))
        self._held += chunk.shape[1]
        return self._run(self._held - 2 * self._context, only_full=True)

    def flush(self) -> Tensor:
        """The stream has ended: return the outputs that are left, and be as new."""
        left = self._held - self._context
        left += -left % self._unit
        padding = left + 2 * self._context - self._held
        self._parts.append(self._fill.expand(-1, padding))
        self._held += padding
        outputs = self._run(left, only_full=False)
        self._restart()
        return outputs

    def _restart(self) -> None:
        self._parts = [self._fill.expand(-1, self._context)]
        self._held = self._context

    def _run(self, ready: int, only_full: bool) -> Tensor:
        """Run the `ready` inputs after the left context that have their right context too."""
        if ready < (self._piece if only_full else 1):
            return self._function(self._fill[:, :0])
        held = torch.cat(self._parts, dim=1)
        start, outputs = 0, []
        while ready - start >= (self._piece if only_full else 1):
            size = min(self._piece, ready - start)
            window = held[:, start : start + size + 2 * self._context]
            output = self._function(window)
            scale = output.shape[1], window.shape[1]
            crop = [edge * scale[0] // scale[1] for edge in (self._context, self._context + size)]
            outputs.append(output[:, crop[0] : crop[1]])
            start += size
        # A copy, so that what has been coded is not kept alive by a view of its end.
        self._parts = [held[:, start:].clone()]
        self._held -= start
        return torch.cat(outputs, dim=1)
