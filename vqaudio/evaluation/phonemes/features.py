"""What the codes have to beat: k-means on MFCC, at the same rate, with as many codes."""

from collections.abc import Sequence

import librosa
import numpy as np
from sklearn.cluster import MiniBatchKMeans

STEP = 0.01
WINDOW = 0.025
"""Seconds, as recognisers have them."""
COEFFICIENTS = 13
FITTED = 200_000
"""Moments that k-means is fitted on, at most."""


def mfcc(wave: np.ndarray, sample_rate: int, moments: np.ndarray) -> np.ndarray:
    """13 MFCC with first and second differences, [M, 39], at `moments`, in seconds.

    The features of the first clustering of HuBERT (Hsu et al. 2021), less the mean of the clip.
    """
    hop = round(STEP * sample_rate)
    features = librosa.feature.mfcc(
        y=wave,
        sr=sample_rate,
        n_mfcc=COEFFICIENTS,
        n_mels=40,
        n_fft=512,
        win_length=round(WINDOW * sample_rate),
        hop_length=hop,
    )
    features = features - features.mean(axis=1, keepdims=True)
    deltas = [librosa.feature.delta(features, order=n, mode="nearest") for n in (1, 2)]
    features = np.concatenate([features, *deltas])
    nearest = np.rint(moments / STEP).astype(int).clip(0, features.shape[1] - 1)
    return features[:, nearest].T.astype(np.float32)


def cluster(
    features: np.ndarray, halves: np.ndarray, num_codes: int, seed: int = 0
) -> Sequence[np.ndarray]:
    """Codes of all moments, int64 [M], by k-means on half 0, and by k-means on half 1.

    features: [M, D], each brought to the same variance.
    """
    scaled = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-6)
    codes = []
    for half in (0, 1):
        random = np.random.default_rng((seed, half))
        taught = np.flatnonzero(halves == half)
        taught = random.permutation(taught)[:FITTED]
        means = k_means(scaled[taught], num_codes, seed)
        codes.append(means.predict(scaled).astype(np.int64))
    return codes


def k_means(features: np.ndarray, num_codes: int, seed: int = 0) -> MiniBatchKMeans:
    """Fitted on features, [M, D], of about the same variance; fewer codes where M is less."""
    num_clusters = min(num_codes, len(features))
    means = MiniBatchKMeans(num_clusters, batch_size=4096, n_init=3, max_iter=30, random_state=seed)
    return means.fit(features)
