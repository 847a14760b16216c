"""Another voice for the same words."""

import sys

import numpy as np
import pytest

from vqaudio.data.dataset import CropConfig, SpeakerCrops, VoiceCrops
from vqaudio.data.perturbation import PerturbationConfig, perturb
from vqaudio.data.pitch import frequencies, median_pitch
from vqaudio.errors import VqaudioError

pytest.importorskip("parselmouth")
ALWAYS = PerturbationConfig(share=1.0)


@pytest.fixture(scope="module")
def wave(speech) -> np.ndarray:
    return speech[0][16000:32000].numpy()


def pitch(wave: np.ndarray) -> float:
    return median_pitch(frequencies(wave, 16000))


@pytest.mark.parametrize("seed", range(4))
def test_pitch_becomes_any_and_what_brings_it_back_is_told(wave, seed):
    moved = perturb(wave, 16000, ALWAYS, np.random.default_rng(seed))
    assert moved.wave.shape == wave.shape
    assert moved.wave.dtype == np.float32
    assert 65 < pitch(moved.wave) < 370
    assert pitch(moved.wave) * 2**moved.octaves == pytest.approx(pitch(wave), rel=0.08)


def test_formants_move_with_the_pitch_kept(wave):
    """The middle of the spectrum goes up with the formants."""
    height = pitch(wave)

    class Given:
        def __init__(self, formants):
            self.formants = formants

        def random(self, _):
            return 0.0, 0.0, self.formants, 0.5, *[0.5] * 4

    kept = PerturbationConfig(share=1.0, lowest=height, highest=height)

    def centre(formants):
        moved = perturb(wave, 16000, kept, Given(formants))
        assert abs(moved.octaves) < 1e-6
        power = np.abs(np.fft.rfft(moved.wave)) ** 2
        return (power * np.arange(len(power))).sum() / power.sum()

    assert centre(0.0) < 0.93 * centre(0.5) < 0.87 * centre(1.0)


def test_what_has_no_voice_changes_its_timbre_only(wave):
    silence = perturb(np.zeros(8000, np.float32), 16000, ALWAYS, np.random.default_rng(0))
    assert silence.octaves == 0
    assert not silence.wave.any()
    moved = perturb(wave[:200], 16000, ALWAYS, np.random.default_rng(0))
    assert moved.octaves == 0
    assert not np.allclose(moved.wave, wave[:200])


def test_timbre_is_within_its_bounds_and_the_power_stays():
    click = np.zeros(4096, np.float32)
    click[2048] = 1.0
    for seed in range(5):
        moved = perturb(click, 16000, ALWAYS, np.random.default_rng(seed)).wave
        assert np.square(moved).sum() == pytest.approx(1, rel=1e-4)
        decibels = 20 * np.log10(np.abs(np.fft.rfft(moved)))
        assert 2 < np.ptp(decibels) < 8 * ALWAYS.timbre
        assert np.abs(np.diff(decibels)).max() < 0.5  # smooth: no resonance of its own


def test_a_share_stays_and_the_numbers_drawn_are_as_many(wave):
    random = np.random.default_rng(0)
    still = perturb(wave, 16000, PerturbationConfig(share=0.0), random)
    assert np.array_equal(still.wave, wave)
    assert random.random() == np.random.default_rng(0).random(9)[8]


def test_crops_hear_what_they_say_otherwise(corpus):
    terms = {"frame": 128, "seed": 3, "speakers": ["1455", "2414"]}
    config = CropConfig(batch_size=4, seconds=0.512)
    crops = VoiceCrops(corpus, config, perturbation=ALWAYS, **terms)
    wave, speaker = SpeakerCrops(corpus, config, **terms)[5]
    batch = crops[5]
    assert np.array_equal(batch.wave, wave)
    assert np.array_equal(batch.speaker, speaker)
    assert batch.heard.shape == wave.shape
    assert (batch.octaves != 0).sum() >= 3
    assert not np.array_equal(batch.heard, wave)
    for again, first in zip(crops[5], batch, strict=True):  # a resumed run hears the same
        assert np.array_equal(again, first)
    ranks = [
        VoiceCrops(corpus, config, perturbation=ALWAYS, **terms, rank=rank, world_size=2)[5]
        for rank in range(2)
    ]
    assert np.array_equal(np.concatenate([rank.heard for rank in ranks]), batch.heard)


def test_without_praat_a_line_says_what_to_install(wave, monkeypatch):
    monkeypatch.setitem(sys.modules, "parselmouth", None)
    with pytest.raises(VqaudioError, match="pip install praat-parselmouth"):
        perturb(wave, 16000, ALWAYS, np.random.default_rng(0))


@pytest.mark.parametrize(
    "wrong",
    [{"share": 1.1}, {"lowest": 0.0}, {"lowest": 400.0}, {"formants": 0.9}, {"timbre": -1.0}],
)
def test_configurations_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="perturbation"):
        PerturbationConfig(**wrong)
