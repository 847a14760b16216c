import numpy as np

from vqaudio.evaluation.metrics.cache import SIZE, once_per_wave


def test_computed_once_for_equal_samples(original):
    waves = []

    @once_per_wave
    def peak(wave):
        waves.append(wave)
        return wave.max()

    assert peak(original) == peak(original.copy()) == peak(np.repeat(original, 2)[::2])
    assert len(waves) == 1
    assert peak(original[:-1]) == peak(original.astype(np.float64)[:-1])
    assert len(waves) == 3


def test_what_was_used_last_stays():
    waves = []

    @once_per_wave
    def first(wave):
        waves.append(wave)
        return wave[0]

    for number in range(SIZE):
        first(np.array([number]))
    first(np.array([0]))
    first(np.array([SIZE]))
    assert first(np.array([0])) == 0
    assert len(waves) == SIZE + 1
    assert first(np.array([1])) == 1
    assert len(waves) == SIZE + 2
