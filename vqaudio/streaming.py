"""Waves to codes and codes to waves while they come in.

A recording is defined to sit in an infinite sea of silence: zeros for the encoder, "no code" (-1)
for the decoder. EncodeStream and DecodeStream are the model alone, at its own rate and level;
WaveEncoder and WaveDecoder take and give any.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor

from vqaudio.audio import Resampler
from vqaudio.codes import MAX_RATE, MIN_RATE, count_codes, model_length
from vqaudio.errors import AudioError
from vqaudio.level import gain_for
from vqaudio.models.voices import Voice
from vqaudio.models.vqvae import VQVAE
from vqaudio.pieces import PieceStream

PIECE_SECONDS = 8.0
"""A piece: long enough that its surroundings cost little, short enough for small machines."""

NO_CODE = -1
"""What the decoder takes for silence around a recording."""


class EncodeStream(PieceStream):
    """Waves [batch, n] at the model's rate, in any chunking -> indices int64 [batch, m].

    Codes come out as soon as `seconds` of audio and the context to its right are there, and the
    rest on flush(), which completes the last frame with silence. Small `seconds` are for live
    use: less delay, and more work, since every piece is run with its surroundings.
    """

    def __init__(self, model: VQVAE, batch: int = 1, seconds: float = PIECE_SECONDS):
        super().__init__(
            _silent_when_empty(model.encode, model, torch.int64),
            batch,
            piece=_frames(model, seconds) * model.frame,
            context=model.encoder_context,
            unit=model.frame,
            fill=0.0,
            dtype=torch.float32,
        )


class DecodeStream(PieceStream):
    """Indices int64 [batch, n], in any chunking -> waves float32 [batch, n * hop].

    The counterpart of EncodeStream, at the model's rate and level. voice: for each row of the batch,
    None for a model without voices.
    """

    def __init__(
        self,
        model: VQVAE,
        batch: int = 1,
        seconds: float = PIECE_SECONDS,
        voice: Voice | None = None,
    ):
        codes_per_frame = model.frame // model.hop
        super().__init__(
            _silent_when_empty(model.decode, model, torch.float32, voice),
            batch,
            piece=_frames(model, seconds) * codes_per_frame,
            context=model.decoder_context,
            unit=codes_per_frame,
            fill=NO_CODE,
            dtype=torch.int64,
        )


class WaveEncoder:
    """Waves [B, n] at any rate and level, in any chunking -> indices int64 [B, m].

    levels: of each row, in dB re full scale; lengths: of each row in samples, when they differ:
    a row's codes are then those it would get alone, and 0 after them.
    """

    def __init__(
        self,
        model: VQVAE,
        sample_rate: int,
        levels: Sequence[float],
        lengths: Sequence[int] | None = None,
        seconds: float = PIECE_SECONDS,
    ):
        sample_rate = check_rate(sample_rate)
        self._rates = sample_rate, model.sample_rate
        self._gain = _gains(levels)
        self._resampler = Resampler(*self._rates, len(levels))
        self._stream = EncodeStream(model, len(levels), seconds)
        ends = _ends(model, sample_rate, lengths)
        self._wave_end = _RowEnd(ends.samples, 0.0)
        self._model_end = _RowEnd(ends.model_samples, 0.0)
        self._code_end = _RowEnd(ends.codes, 0)

    def push(self, wave: Tensor) -> Tensor:
        """wave: float [B, n]. Raises AudioError when a sample is infinite or not a number."""
        wave = self._wave_end(wave.detach().cpu())
        check_finite(wave)
        return self._encode(self._resampler.push(wave * self._gain))

    def flush(self) -> Tensor:
        """The waves have ended: the codes that are left."""
        codes = self._encode(self._resampler.flush())
        return torch.cat([codes, self._code_end(self._stream.flush())], dim=1)

    def _encode(self, wave: Tensor) -> Tensor:
        return self._code_end(self._stream.push(self._model_end(wave)))


class WaveDecoder:
    """Indices int64 [B, n], in any chunking -> waves float32 [B, m] at any rate and level.

    levels: of each row, in dB re full scale; lengths: of each row in samples: as many come out,
    and zeros after them. Without `lengths` all of the last code's samples come out. voice: for each
    row, None for a model without voices.
    """

    def __init__(
        self,
        model: VQVAE,
        sample_rate: int,
        levels: Sequence[float],
        lengths: Sequence[int] | None = None,
        seconds: float = PIECE_SECONDS,
        voice: Voice | None = None,
    ):
        sample_rate = check_rate(sample_rate)
        self._length = max(lengths) if lengths else None
        self._gain = 1 / _gains(levels)
        self._stream = DecodeStream(model, len(levels), seconds, voice)
        self._resampler = Resampler(model.sample_rate, sample_rate, len(levels))
        ends = _ends(model, sample_rate, lengths)
        self._code_end = _RowEnd(ends.codes, NO_CODE)
        self._model_end = _RowEnd(ends.codes and [n * model.hop for n in ends.codes], 0.0)
        self._wave_end = _RowEnd(ends.samples, 0.0)

    def push(self, indices: Tensor) -> Tensor:
        """indices: int64 [B, n]."""
        wave = self._stream.push(self._code_end(indices.cpu()))
        return self._cut(self._resampler.push(self._model_end(wave)))

    def flush(self) -> Tensor:
        """The codes have ended: the samples that are left."""
        wave = self._resampler.push(self._model_end(self._stream.flush()))
        return self._cut(torch.cat([wave, self._resampler.flush()], dim=1))

    def _cut(self, wave: Tensor) -> Tensor:
        if self._length is not None:
            wave = wave[:, : self._length - self._wave_end.position]
        return self._wave_end(wave * self._gain)


class _Ends(NamedTuple):
    """Where each row of a batch ends, in three units; None where all end with the batch."""

    samples: list[int] | None
    model_samples: list[int] | None
    codes: list[int] | None


def _ends(model: VQVAE, sample_rate: int, lengths: Sequence[int] | None) -> _Ends:
    if lengths is None or min(lengths) == max(lengths):
        return _Ends(None, None, None)
    rates = sample_rate, model.sample_rate
    return _Ends(
        [*lengths],
        [model_length(n, *rates) for n in lengths],
        [count_codes(n, *rates, model.frame, model.hop) for n in lengths],
    )


class _RowEnd:
    """Fills the rows of a stream [B, n] from each row's own end on, and counts what has passed."""

    def __init__(self, ends: Sequence[int] | None, fill: float):
        self._ends = ends
        self._fill = fill
        self.position = 0

    def __call__(self, chunk: Tensor) -> Tensor:
        start, self.position = self.position, self.position + chunk.shape[1]
        if self._ends is None:
            return chunk
        return cut_rows(chunk, [end - start for end in self._ends], self._fill)


def cut_rows(batch: Tensor, lengths: Sequence[int], fill: float = 0.0) -> Tensor:
    """[B, n] with each row filled from its length on."""
    if min(lengths) >= batch.shape[1]:
        return batch
    ends = torch.tensor(lengths).unsqueeze(1)
    return batch.masked_fill(torch.arange(batch.shape[1]) >= ends, fill)


def check_finite(wave: Tensor) -> None:
    """Raise AudioError when a sample is infinite or not a number."""
    if not torch.isfinite(wave).all():
        raise AudioError("samples that are infinite or not a number")


def check_rate(sample_rate: float) -> int:
    """The rate as an int (16000.0 is one). AudioError unless recordings of it, in Hz, can be coded."""
    rate = whole_number(sample_rate, "sample rate")
    if not MIN_RATE <= rate <= MAX_RATE:
        raise AudioError(f"sample rate {rate} Hz is not in {MIN_RATE}..{MAX_RATE}")
    return rate


def whole_number(value: float, name: str) -> int:
    """`value` as an int; AudioError, which calls it `name`, when it is none."""
    try:
        number = int(value)
        exact = bool(number == value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        exact = False
    if not exact:
        raise AudioError(f"{name} must be a whole number")
    return number


def _gains(levels: Sequence[float]) -> Tensor:
    """[B, 1]: what brings rows of these levels to the one that speech is coded at."""
    return torch.tensor([[gain_for(level)] for level in levels])


def _frames(model: VQVAE, seconds: float) -> int:
    return max(1, round(seconds * model.sample_rate / model.frame))


def _silent_when_empty(
    method: Callable[..., Tensor], model: VQVAE, dtype: torch.dtype, voice: Voice | None = None
) -> Callable[[Tensor], Tensor]:
    """`method` on the model's device, without gradients; of nothing, nothing of `dtype`. voice: of
    each row, if the method is told one."""

    def run(window: Tensor) -> Tensor:
        if not window.shape[1]:
            return torch.empty(window.shape, dtype=dtype)
        device = next(model.parameters()).device
        # A CPU gains nothing from many rows at once, and would need memory for them all.
        size = 1 if device.type == "cpu" else len(window)
        columns = (window, *(voice or ()))
        groups = zip(*(column.to(device).split(size) for column in columns), strict=True)
        exactly = _repeatable() if device.type == "cuda" else nullcontext()
        with torch.inference_mode(), exactly:
            return torch.cat([on_rows(*group).cpu() for group in groups])

    def on_rows(rows: Tensor, *told: Tensor) -> Tensor:
        return method(rows, Voice(*told)) if told else method(rows)

    return run


@contextmanager
def _repeatable() -> Iterator[None]:
    """On a GPU: full float32 products and no choice of algorithm by timing.

    TF32 keeps ten bits of a mantissa, which moves codes between nearly equal neighbours.
    """
    # Not cudnn.flags: it fails where the caller has set fp32_precision, the newer name of
    # allow_tf32. PyTorch wants both names to agree, so both are set, and put back.
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    kinds = matmul, cudnn.conv, cudnn.rnn
    precisions = [kind.fp32_precision for kind in kinds]
    choices = cudnn.benchmark, cudnn.deterministic
    try:
        cudnn.benchmark, cudnn.deterministic = False, True
        matmul.allow_tf32 = cudnn.allow_tf32 = False
        for kind in kinds:
            kind.fp32_precision = "ieee"
        yield
    finally:
        cudnn.benchmark, cudnn.deterministic = choices
        matmul.allow_tf32 = precisions[0] == "tf32"
        cudnn.allow_tf32 = precisions[1] == "tf32"
        for kind, precision in zip(kinds, precisions, strict=True):
            kind.fp32_precision = precision
