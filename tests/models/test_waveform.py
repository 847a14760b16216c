"""The WaveNet decoder: what it predicts from, and that its fast samples are the slow ones."""

import numpy as np
import pytest
import torch

from tests.small_prior import NETWORKS as PRIORS
from tests.small_prior import small_prior
from tests.small_waveform import CONFIG, DIM, HOP, NETWORK, naive, small_decoder, some_vectors
from vqaudio.models.waveform import (
    WaveformDecoder,
    WaveformDecoderConfig,
    from_levels,
    to_levels,
)
from vqaudio.models.wavenet import WaveNetConfig
from vqaudio.models.wavenet_sampler import WaveNetSampler

CODES = 7
OTHER_NETWORKS = [
    WaveNetConfig(width=12, skip=16, kernel=3, dilations=(1, 3), cycles=1),
    WaveNetConfig(width=8, skip=4, kernel=2, dilations=(1,), cycles=1),
]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def some_wave(batch, codes=CODES):
    return torch.rand(batch, codes * HOP, generator=seeded(2)) * 2 - 1


def test_levels_are_mu_law():
    """Against the formula of G.711; each level's middle is of that level."""
    wave = torch.linspace(-1, 1, 1001)
    curve = np.sign(wave.numpy()) * np.log1p(255 * np.abs(wave.numpy())) / np.log1p(255)
    expected = torch.from_numpy(np.floor((curve + 1) / 2 * 255 + 0.5)).long()
    assert (to_levels(wave) - expected).abs().max() <= 1  # rounding at edges
    assert (to_levels(wave) == expected).float().mean() > 0.99
    levels = torch.arange(256)
    assert torch.equal(to_levels(from_levels(levels)), levels)
    assert to_levels(torch.tensor([-7.0, 0.0, 7.0])).tolist() == [0, 128, 255]


def test_a_sample_depends_on_those_before_it_as_far_as_it_says():
    decoder, vectors, wave = small_decoder(), some_vectors(8, CODES), some_wave(8)
    other = wave.clone()
    other[:, 20] *= -1
    with torch.no_grad():
        change = (decoder.nll(vectors, wave) - decoder.nll(vectors, other)).abs().amax(0)
    assert decoder.receptive_field == 15
    assert (change[:20] == 0).all()
    assert (change[20 : 20 + 16] > 1e-6).all()
    assert (change[20 + 16 :] < 1e-5).all()


def test_bits_are_of_a_distribution():
    decoder, vectors = small_decoder(), some_vectors(1, 1).expand(256, -1, -1)
    wave = some_wave(1, 1).expand(256, -1).clone()
    wave[:, -1] = from_levels(torch.arange(256))
    with torch.no_grad():
        bits = decoder.nll(vectors, wave)
    assert bits.shape == wave.shape
    torch.testing.assert_close((2 ** -bits[:, -1]).sum(), torch.tensor(1.0))
    torch.testing.assert_close(bits[:, :-1], bits[:1, :-1].expand(256, -1))


def test_codes_matter_where_they_are_and_around():
    decoder, vectors, wave = small_decoder(), some_vectors(1, CODES), some_wave(1)
    other = vectors.clone()
    other[:, 3] += 1
    with torch.no_grad():
        change = (decoder.nll(vectors, wave) - decoder.nll(other, wave)).abs()[0]
    assert (change[: 2 * HOP] == 0).all()  # a kernel of 3: one code each side
    assert (change[2 * HOP : 5 * HOP] > 0).all()


def test_a_condition_of_each_code_is_one_of_each_of_its_samples():
    decoder, levels = small_decoder(), to_levels(some_wave(2))
    with torch.no_grad():
        condition = decoder.condition(some_vectors(2, CODES))
        repeated = decoder.samples(levels, condition.repeat_interleave(HOP, dim=1))
        torch.testing.assert_close(decoder.samples(levels, condition), repeated)


def test_every_speaker_is_another():
    decoder, vectors, wave = small_decoder(speakers=3), some_vectors(3, CODES), some_wave(3)
    vectors, wave = vectors[:1].expand(3, -1, -1), wave[:1].expand(3, -1)
    with torch.no_grad():
        bits = decoder.nll(vectors, wave, torch.arange(3))
    assert not torch.allclose(bits[0], bits[1])
    assert not torch.allclose(bits[1], bits[2])
    with pytest.raises(ValueError, match="takes a speaker"):
        decoder.nll(vectors, wave)
    with pytest.raises(ValueError, match="takes no speaker"):
        small_decoder().nll(vectors, wave, torch.arange(3))


@pytest.mark.parametrize("network", [NETWORK, *OTHER_NETWORKS])
def test_fast_samples_are_those_of_the_naive_pass(network):
    decoder, vectors = small_decoder(network), some_vectors(2, 12)
    ours = decoder.sample(vectors, generator=seeded())
    assert torch.equal(ours, naive(decoder, vectors, seeded()))
    assert len(ours.unique()) > 30


def test_fast_samples_with_a_speaker_and_a_temperature(monkeypatch):
    monkeypatch.setattr(
        "vqaudio.models.waveform.CODES_AT_ONCE", 5
    )  # several pieces, the last short
    decoder, vectors = small_decoder(speakers=2), some_vectors(2, 12)
    speaker = torch.tensor([1, 0])
    ours = decoder.sample(vectors, speaker, seeded(), temperature=0.6)
    assert torch.equal(ours, naive(decoder, vectors, seeded(), speaker, 0.6))
    assert not torch.equal(ours, decoder.sample(vectors, speaker, seeded(1), temperature=0.6))


def test_a_batch_is_each_clip_alone():
    decoder, vectors = small_decoder(), some_vectors(3, CODES)
    ours = decoder.sample(vectors, generator=[seeded(i) for i in range(3)])
    alone = [decoder.sample(vectors[i : i + 1], generator=[seeded(i)]) for i in range(3)]
    assert torch.equal(ours, torch.cat(alone))


def test_samples_are_as_probable_as_the_model_says():
    """The mean of -log2 p over draws from p is p's entropy: here within what chance leaves."""
    decoder, vectors = small_decoder(), some_vectors(1, 1).expand(4000, -1, -1)
    wave = decoder.sample(vectors, generator=seeded())
    with torch.no_grad():
        bits = decoder.nll(vectors, wave)[:, 0]
        p = decoder.samples(to_levels(wave[:1]), decoder.condition(vectors[:1]))[0, 0].softmax(-1)
    entropy = torch.special.entr(p.double()).sum() / np.log(2)
    assert bits.mean().item() == pytest.approx(entropy.item(), abs=5 * bits.std().item() / 63)


def test_progress_ends_at_the_end():
    seen = []
    small_decoder().sample(some_vectors(1, 70), progress=lambda done, of: seen.append((done, of)))
    assert seen == [(64, 70), (70, 70)]


def test_misuse_is_refused():
    decoder, vectors = small_decoder(), some_vectors(2, CODES)
    with pytest.raises(ValueError, match="temperature"):
        decoder.sample(vectors, temperature=0)
    with pytest.raises(ValueError, match="1 generators do not fit 2 clips"):
        decoder.sample(vectors, generator=[seeded()])


def test_configuration_as_plain_values():
    values = CONFIG.to_dict()
    assert values["kind"] == "wavenet"
    assert WaveformDecoderConfig.from_dict(values) == CONFIG
    for change, message in (
        ({"kind": "vocoder"}, "not vocoder"),
        ({"speakers": -1}, "speakers"),
        ({"speekers": 1}, "speekers"),
        ({"network": {"kernel": 1}}, "kernel"),
    ):
        with pytest.raises(ValueError, match=message) as caught:
            WaveformDecoderConfig.from_dict({**values, **change})
        assert "\n" not in str(caught.value)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_on_a_gpu_a_captured_step_samples_as_the_naive_pass():
    decoder, vectors = small_decoder(speakers=2).cuda(), some_vectors(2, 70).cuda()
    speaker = torch.tensor([1, 0], device="cuda")
    ours = decoder.sample(vectors, speaker, seeded())  # two pieces: the graph is used again
    theirs = naive(decoder, vectors, seeded(), speaker)
    # After a draw on an edge, which rounding can tip, all is another sample.
    assert torch.equal(ours[:, :300], theirs[:, :300])


def test_real_speech_costs_bits(speech):
    """An untrained model finds every level about as probable: 8 bits a sample."""
    torch.manual_seed(0)
    decoder = WaveformDecoder(CONFIG, DIM, HOP)
    wave = speech[0][None, 16000:20000]
    with torch.no_grad():
        bits = decoder.nll(some_vectors(1, 4000 // HOP), wave)
    assert 7 < bits.mean() < 9


def test_only_a_wavenet_with_a_condition_has_a_sampler():
    for prior in (small_prior(PRIORS[0]), small_prior(PRIORS[1], 3)):
        with pytest.raises(ValueError, match="WaveNet with a condition"):
            WaveNetSampler(prior, 1, HOP, 4, 1.0)
