"""However a stream is cut, and whatever shares its batch, the same comes out."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.small import assert_same_codes, small_model
from vqaudio import streaming
from vqaudio.codes import count_codes
from vqaudio.streaming import DecodeStream, EncodeStream

MODEL = small_model()
SECONDS = 0.1  # pieces of 12 or 13 frames: many edges in little audio


def cuts(most: int = 3000) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, most), min_size=1, max_size=12)


def run(stream, whole: torch.Tensor, sizes: list[int]) -> torch.Tensor:
    """Push `whole` in chunks of `sizes`, then what is left of it in one."""
    sizes = [min(size, whole.shape[1]) for size in sizes]
    outputs, start = [], 0
    for size in [*sizes, whole.shape[1]]:
        outputs.append(stream.push(whole[:, start : start + size]))
        start += size
    return torch.cat([*outputs, stream.flush()], dim=1)


def in_silence(wave: torch.Tensor) -> torch.Tensor:
    """The definition: the codes of one run over the wave with silence all around it."""
    context = MODEL.encoder_context
    end = -wave.shape[1] % MODEL.frame
    codes = MODEL.encode(torch.nn.functional.pad(wave, (context, context + end)))
    return codes[:, context // MODEL.hop : -(context // MODEL.hop)]


@pytest.fixture(scope="module")
def wave(speech) -> torch.Tensor:
    return speech[0][None, 8000:40011] * 3


@settings(max_examples=15, deadline=None)
@given(sizes=cuts())
def test_cuts_do_not_matter(sizes, wave):
    """Not even in the last bit: pieces are cut at fixed places whatever is pushed."""
    wave = wave[:, :9001]
    codes = run(EncodeStream(MODEL, seconds=SECONDS), wave, [])
    assert torch.equal(run(EncodeStream(MODEL, seconds=SECONDS), wave, sizes), codes)
    audio = run(DecodeStream(MODEL, seconds=SECONDS), codes, [])
    small = [size // 50 for size in sizes]
    assert torch.equal(run(DecodeStream(MODEL, seconds=SECONDS), codes, small), audio)


@pytest.mark.parametrize("seconds", [0.008, SECONDS, 0.5, 8.0])
def test_pieces_are_as_the_whole(seconds, wave):
    whole = in_silence(wave)
    pieces = run(EncodeStream(MODEL, seconds=seconds), wave, [])
    assert_same_codes(MODEL, wave, pieces, whole)

    context = MODEL.decoder_context
    padded = torch.nn.functional.pad(whole, (context, context), value=-1)
    audio = MODEL.decode(padded)[:, context * MODEL.hop : -context * MODEL.hop]
    decoded = run(DecodeStream(MODEL, seconds=seconds), whole, [])
    torch.testing.assert_close(decoded, audio, rtol=0, atol=1e-4)


def test_a_batch_is_as_its_rows(wave):
    batch = torch.cat([wave, wave.flip(1), wave * 0])
    codes = run(EncodeStream(MODEL, 3, SECONDS), batch, [])
    audio = run(DecodeStream(MODEL, 3, SECONDS), codes, [])
    for row in range(3):
        alone = batch[row : row + 1]
        assert_same_codes(
            MODEL, alone, codes[row : row + 1], run(EncodeStream(MODEL, 1, SECONDS), alone, [])
        )
        decoded = run(DecodeStream(MODEL, 1, SECONDS), codes[row : row + 1], [])
        torch.testing.assert_close(decoded, audio[row : row + 1], rtol=0, atol=1e-4)


class Ruler(torch.nn.Module):
    """A model that hides nothing: a code is the sum of the samples of its frame and of those on
    either side, a sample is the sum of the codes around it. So what it was given shows."""

    sample_rate, hop, frame, encoder_context, decoder_context = 16000, 64, 128, 128, 2

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def encode(self, wave):
        frames = torch.nn.functional.pad(wave, (128, 128)).abs().unfold(1, 3 * 128, 64).sum(2)
        return (frames[:, : wave.shape[1] // 64] * 1e4).long()

    def decode(self, indices):
        sums = torch.nn.functional.pad(indices.float(), (2, 2)).unfold(1, 5, 1).sum(2)
        return sums.repeat_interleave(64, dim=1) * 1e-3


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 48000])
def test_rows_end_in_silence_for_the_model_too(rate):
    """At every stage: beyond its end a row is zeros, then silence, then "no code", then zeros."""
    lengths = 9000, 1, *range(6000, 6200, 19)
    noise = torch.full((len(lengths), 9000), 0.1)  # which goes on beyond the ends
    levels = (-20.0,) * len(lengths)
    model = Ruler()
    codes = run(streaming.WaveEncoder(model, rate, levels, lengths), noise, [700, 5000])
    counts = [count_codes(n, rate, 16000, 128, 64) for n in lengths]
    assert codes.shape[1] == counts[0]
    beyond = torch.arange(counts[0]) >= torch.tensor(counts)[:, None]
    assert not codes[beyond].any()

    given = torch.where(beyond, 99, codes % 50)
    audio = run(streaming.WaveDecoder(model, rate, levels, lengths), given, [20, 60])
    assert audio.shape == noise.shape
    for row, (length, count) in enumerate(zip(lengths, counts, strict=True)):
        alone = run(streaming.WaveEncoder(model, rate, (-20.0,)), noise[row : row + 1, :length], [])
        assert (codes[row, :count] - alone[0]).abs().max() <= 2  # of some 10**5: rounding
        decoder = streaming.WaveDecoder(model, rate, (-20.0,), (length,))
        decoded = run(decoder, given[row : row + 1, :count], [])
        torch.testing.assert_close(audio[row, :length], decoded[0], rtol=0, atol=1e-5)
        assert not audio[row, length:].any()


def test_codes_come_as_soon_as_their_context_is_there(wave):
    stream = EncodeStream(MODEL, seconds=MODEL.frame / MODEL.sample_rate)
    needed = MODEL.frame + MODEL.encoder_context
    assert stream.push(wave[:, : needed - 1]).shape == (1, 0)
    assert stream.push(wave[:, :1]).shape == (1, MODEL.frame // MODEL.hop)


def test_a_stream_is_as_new_after_flush(wave):
    stream = EncodeStream(MODEL, seconds=SECONDS)
    first = run(stream, wave, [100])
    assert torch.equal(run(stream, wave, [200]), first)
    assert stream.flush().shape == (1, 0)


def test_what_comes_out_can_be_trained_on(wave):
    """Inference mode stays inside: its tensors would refuse to be saved for a backward pass."""
    codes = run(EncodeStream(MODEL, seconds=SECONDS), wave, [])
    audio = run(DecodeStream(MODEL, seconds=SECONDS), codes, [])
    assert not codes.is_inference()
    assert not audio.is_inference()


BACKENDS = torch.backends.cuda.matmul, torch.backends.cudnn, torch.backends.cudnn.conv


def settings_now() -> list:
    names = "fp32_precision", "benchmark", "deterministic"
    return [getattr(backend, name, None) for backend in BACKENDS for name in names]


@pytest.mark.parametrize("name", ["allow_tf32", "fp32_precision"])
def test_products_on_a_gpu_are_of_full_precision_for_as_long_as_needed(name):
    """By either of PyTorch's names for it, which must not be told different things."""
    matmul, cudnn, _ = BACKENDS
    before = [(kind, kind.fp32_precision) for kind in (matmul, cudnn.conv, cudnn.rnn)]
    try:
        for backend in (matmul, cudnn):
            setattr(backend, name, {"allow_tf32": True, "fp32_precision": "tf32"}[name])
        wished = settings_now()
        with streaming._repeatable():
            assert (matmul.allow_tf32, cudnn.allow_tf32) == (False, False)
            assert "tf32" not in (matmul.fp32_precision, cudnn.conv.fp32_precision)
            assert (cudnn.benchmark, cudnn.deterministic) == (False, True)
        assert settings_now() == wished
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = False, True
        for kind, precision in before:
            kind.fp32_precision = precision


def test_wrong_batch_is_refused():
    with pytest.raises(ValueError, match=r"\[1, n\]"):
        EncodeStream(MODEL).push(torch.zeros(2, 10))


def test_nothing_in_nothing_out():
    assert EncodeStream(MODEL, 2).flush().shape == (2, 0)
    assert DecodeStream(MODEL, 2).flush().shape == (2, 0)
