"""However a stream is cut, and whatever shares its batch, the same comes out."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.small import assert_same_codes, small_model
from vqaudio import streaming
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
