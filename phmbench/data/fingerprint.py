"""Recordings that are the same under another name: equal by content, or resampled copies by profile.

Two questions, two answers. A renamed, rescaled, shifted or sign-flipped copy has the same `content_hash`. A copy that
was resampled, filtered a little or trimmed by some samples has a `profile` that correlates with the original's; two
recordings of the same machine do not, because a profile holds only how the energy fluctuates, not how it is on average.
"""

from __future__ import annotations

import hashlib
import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

SEGMENTS = 8  # of a recording; each gives the hash the position of its highest and its lowest sample
FRAMES = 64  # of relative time
BAND_EDGES = (0.02, 0.15, 0.35, 0.6, 1.0)  # shares of the highest frequency looked at
TOP_SHARE = 0.4  # highest frequency as a share of the sampling rate: below any sensible anti-aliasing filter
TOP_HZ = 4800.0  # and never above this, so that rates from 12 kHz on are compared in the same bands
PROFILE_SIZE = (FRAMES - 2) * (len(BAND_EDGES) - 1)
TENTHS = np.array(sorted(2**a * 3**b * 5**c for a in range(8) for b in range(5) for c in range(4)))  # of a second
TENTHS = TENTHS[(TENTHS >= 20) & (TENTHS <= 200)]
SAME = 0.95  # correlation of profiles from which two recordings are copies; see tests for what real recordings reach
BRUTE_PAIRS = 10**8  # pairs that are compared one by one (about a second on a core); above, only likely ones
TABLES, MISSED = 24, 0.001  # of the search for likely pairs, and the share of copies that it may miss; see _likely


def content_hash(signal: NDArray[np.floating[Any]]) -> str:
    """Hash a recording so that gain, offset and sign of a channel, and the rounding they bring, change nothing.

    Only positions are hashed: where each eighth of each channel has its highest and its lowest sample. Rescaling and
    shifting are monotone, rounding included, so the order of samples stays; positions change only where the offset is
    so large that float32 no longer separates the highest sample from the next (an offset of 1000 standard deviations
    leaves steps of 0.0001).

    Shapes: (C, length) or (length,) to 32 hexadecimal digits, or "" where no channel varies: nothing to recognise.
    """
    channels = np.atleast_2d(signal)
    if not np.any(channels.max(axis=1) > channels.min(axis=1)):
        return ""
    bounds = np.linspace(0, channels.shape[1], SEGMENTS + 1).astype(np.int64)
    parts = [channels[:, a:b] for a, b in itertools.pairwise(bounds) if b > a]
    highest = np.stack([part.argmax(axis=1) for part in parts], axis=1).astype("<i8")  # (C, segments)
    lowest = np.stack([part.argmin(axis=1) for part in parts], axis=1).astype("<i8")
    digest = hashlib.sha256(repr(channels.shape).encode())
    for pair in zip(highest, lowest, strict=True):
        for positions in sorted(row.tobytes() for row in pair):  # sorted: a channel with its sign changed is the same
            digest.update(positions)
    return digest.hexdigest()[:32]


def profile(signal: NDArray[np.floating[Any]], rate_hz: float) -> NDArray[np.float32]:
    """Describe how a recording's energy fluctuates in four bands over relative time, as a vector of length 1.

    The squared envelope of each band is averaged in frames; of its logarithm the second difference over time is kept,
    in which gain, mean spectrum and slow trends (a run-up that all recordings share) are gone. Random fluctuations
    remain: the same in a copy at another sampling rate, independent in another recording.

    Shapes: (C, length) or (length,) to (PROFILE_SIZE,); zeros where nothing fluctuates, which match nothing.

    Args:
        signal: samples; the first 20 s at most are used.
        rate_hz: sampling rate in Hz; above 12 kHz the bands are the same whatever the rate, below they shrink with it.
    """
    from scipy.fft import rfft  # single precision stays single, at twice the speed; of use when a store is built only

    channels = np.atleast_2d(signal)
    number = _looked_at(channels.shape[1], rate_hz)
    samples = channels[:, :number]
    samples = samples - samples.mean(axis=1, keepdims=True, dtype=np.float64)
    scale = np.sqrt(np.einsum("ct,ct->c", samples, samples) / samples.shape[1])
    if not scale.all():  # a dead channel
        samples, scale = samples[scale > 0], scale[scale > 0]
    if not samples.size:
        return np.zeros(PROFILE_SIZE, np.float32)
    single: NDArray[np.float32] = np.empty(samples.shape, np.float32)  # in place: new pages took half the time
    np.divide(samples, scale[:, None], out=single, casting="same_kind")
    spectrum = rfft(single, n=number, axis=1)  # (C, bins), a bin is rate / number wide
    top = min(TOP_SHARE * rate_hz, TOP_HZ) * number / rate_hz
    edges = [round(share * top) for share in BAND_EDGES]
    bands = [_fluctuation(spectrum[:, a : max(b, a + 1)]) for a, b in itertools.pairwise(edges)]
    vector = np.concatenate(bands)
    norm = np.linalg.norm(vector)
    return np.asarray(vector / norm if norm > 1e-9 else np.zeros(PROFILE_SIZE), np.float32)


def copies(
    content: ArrayLike,
    fingerprints: NDArray[np.float32],
    rows_a: NDArray[np.int64],
    rows_b: NDArray[np.int64],
    *,
    threshold: float = SAME,
) -> NDArray[np.int64]:
    """Find recordings of b that are copies of a recording of a: pairs (row of a, row of b), one for a found row of b.

    A row that is in both is no pair with itself. Up to 10^8 pairs every profile is compared with every other; above,
    only pairs that a search by random hyperplanes proposes, which misses less than 1 of 1000 copies.

    Shapes: (M, 2), sorted by the row of b.

    Args:
        content: hashes of all recordings, (R,), the store's column `content`.
        fingerprints: profiles of all recordings, (R, PROFILE_SIZE).
        rows_a: recordings on one side, (A,), for instance of train and val.
        rows_b: recordings on the other side, (B,), for instance of test.
        threshold: correlation of profiles from which two recordings are copies.
    """
    rows_a, rows_b = np.asarray(rows_a, np.int64), np.asarray(rows_b, np.int64)
    equal = _equal_content(np.asarray(content, dtype=object), rows_a, rows_b)
    rest = np.setdiff1d(rows_b, equal[:, 1])
    alike = _alike(fingerprints, rows_a, rest, threshold)
    pairs = np.concatenate([equal, alike])
    return pairs[np.argsort(pairs[:, 1], kind="stable")]


def _looked_at(samples: int, rate_hz: float) -> int:
    """Choose how many samples a profile looks at: a time without large prime factors, for which the transform is fast.

    The time depends on the duration alone, so that it is the same for a copy at another rate, whose last sample may be
    missing: up to a millisecond is then made up with zeros. Recordings under 2 s are taken whole.
    """
    fitting = int(np.searchsorted(TENTHS, 10 * samples / rate_hz + 0.01, side="right"))
    return round(int(TENTHS[fitting - 1]) / 10 * rate_hz) if fitting else samples


def _fluctuation(band: NDArray[np.complex64]) -> NDArray[np.float64]:
    """Take the bins of a band, (C, bins), to the second difference of its log energy over time, (FRAMES − 2,).

    Bands get equal weight, and large values are bent by tanh, so that one knock or one switching of a drive at the same
    relative time does not make two recordings alike.
    """
    from scipy.fft import ifft

    points = FRAMES * max(1, -(-band.shape[1] // FRAMES))
    moved = ifft(band, n=points, axis=1).reshape(len(band), FRAMES, -1)  # the band moved to 0 Hz and decimated
    energy = np.einsum("cfp,cfp->cf", moved, moved.conj()).real.astype(np.float64) / moved.shape[2]  # (C, FRAMES)
    floor = 1e-6 * energy.mean(axis=1, keepdims=True) + np.finfo(np.float64).tiny  # silence is no −inf
    change = np.diff(np.log(energy + floor), n=2, axis=1).mean(axis=0)
    spread = np.sqrt(np.mean(change**2))
    return np.asarray(np.tanh(change / (2 * spread)) if spread > 1e-6 else np.zeros_like(change))


def _equal_content(
    content: NDArray[np.object_], rows_a: NDArray[np.int64], rows_b: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Pair rows of equal hash: with each row of b the first other row of a."""
    _, number = np.unique(content.astype(str), return_inverse=True)  # (R,) hashes as numbers
    order = rows_a[np.argsort(number[rows_a], kind="stable")]
    left = np.searchsorted(number[order], number[rows_b], side="left")
    right = np.searchsorted(number[order], number[rows_b], side="right")
    itself = (left < right) & (order[np.minimum(left, len(order) - 1)] == rows_b) if len(order) else left < right
    left = left + itself  # a row is not its own copy; the next of the same hash is
    found = left < right
    return np.stack([order[left[found]], rows_b[found]], axis=1).reshape(-1, 2)


def _alike(
    vectors: NDArray[np.float32], rows_a: NDArray[np.int64], rows_b: NDArray[np.int64], threshold: float
) -> NDArray[np.int64]:
    """Pair rows whose profiles correlate: with each row of b the row of a that does so most."""
    if not len(rows_a) or not len(rows_b):
        return np.empty((0, 2), np.int64)
    if len(rows_a) * len(rows_b) > BRUTE_PAIRS:
        a, b = _likely(vectors, rows_a, rows_b, threshold)
        value = np.concatenate([np.empty(0, np.float32), *_products(vectors, a, b)])
    else:
        a, b, value = _best(vectors, rows_a, rows_b, threshold)
    keep = (value >= threshold) & (a != b)
    a, b, value = a[keep], b[keep], value[keep]
    order = np.lexsort((-value, b))
    first = np.ones(len(order), bool)
    first[1:] = b[order][1:] != b[order][:-1]
    return np.stack([a[order][first], b[order][first]], axis=1)


def _best(
    vectors: NDArray[np.float32], rows_a: NDArray[np.int64], rows_b: NDArray[np.int64], threshold: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Compare every row of b with every row of a, in blocks of 64 MiB; give the pairs above the threshold."""
    left = vectors[rows_a]
    step = max(1, 2**24 // len(rows_a))
    found_a, found_b, found_value = [], [], []
    for at in range(0, len(rows_b), step):
        value = left @ vectors[rows_b[at : at + step]].T  # (A, step)
        i, j = np.nonzero(value >= threshold)
        found_a.append(rows_a[i])
        found_b.append(rows_b[at + j])
        found_value.append(value[i, j])
    return np.concatenate(found_a), np.concatenate(found_b), np.concatenate(found_value)


def _likely(
    vectors: NDArray[np.float32], rows_a: NDArray[np.int64], rows_b: NDArray[np.int64], threshold: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Propose pairs that lie on the same side of all random hyperplanes of at least one table.

    Charikar (2002), Similarity estimation techniques from rounding algorithms, STOC, doi:10.1145/509907.509965: two
    vectors at angle θ agree in a bit with probability 1 − θ/π. A table has as many bits as copies at the threshold
    agree in with a probability of 0.25, so that one of 24 tables finds them with 0.999: 13 at 0.95, 20 at 0.98, where
    unrelated ones meet in a table with 1/8192 and 1/1048576.
    """
    agree = 1 - np.arccos(min(threshold, 0.999)) / np.pi
    bits = int(np.log(1 - MISSED ** (1 / TABLES)) / np.log(agree))
    planes = np.random.default_rng(0).standard_normal((vectors.shape[1], TABLES * bits)).astype(np.float32)
    weights = 1 << np.arange(bits)
    nonzero_a, nonzero_b = (rows[np.any(vectors[rows] != 0, axis=1)] for rows in (rows_a, rows_b))
    found: NDArray[np.int64] = np.empty(0, np.int64)
    for table in range(TABLES):
        part = planes[:, table * bits : (table + 1) * bits]
        bucket = ((vectors @ part) > 0) @ weights  # (R,)
        pairs = _in_same_bucket(bucket, nonzero_a, nonzero_b)
        value = np.concatenate([np.empty(0, np.float32), *_products(vectors, pairs[0], pairs[1])])
        near = value > threshold / 2  # keeps the list short; the caller applies the threshold
        found = np.union1d(found, pairs[0][near] * len(vectors) + pairs[1][near])
    return found // len(vectors), found % len(vectors)


def _in_same_bucket(
    bucket: NDArray[np.int64], rows_a: NDArray[np.int64], rows_b: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """List all pairs of rows with equal bucket numbers."""
    order = rows_a[np.argsort(bucket[rows_a], kind="stable")]
    left = np.searchsorted(bucket[order], bucket[rows_b], side="left")
    number = np.searchsorted(bucket[order], bucket[rows_b], side="right") - left
    within = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
    return order[np.repeat(left, number) + within], np.repeat(rows_b, number)


def _products(
    vectors: NDArray[np.float32], a: NDArray[np.int64], b: NDArray[np.int64], step: int = 2**16
) -> list[NDArray[np.float32]]:
    """Correlate the pairs (a, b), a block at a time, since the gathered rows would not fit into memory."""
    return [
        np.einsum("ij,ij->i", vectors[a[at : at + step]], vectors[b[at : at + step]]) for at in range(0, len(a), step)
    ]
