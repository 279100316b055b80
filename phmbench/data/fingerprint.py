"""Recordings that are the same under another name: equal by content, or alike by profile.

Two questions, two answers. A renamed, rescaled, offset or sign-flipped copy has the same `content_hash`. A copy that
was resampled, filtered, shifted or trimmed by up to a tenth of its length, or mixed with noise, has a `profile` that
correlates with the original's; two recordings of the same machine do not, because a profile holds only by how much
single lines of the spectrum stick out of their neighbours: what chance has drawn in this recording and in no other.
How far each of these may go is measured by tests/audit and stands in docs/leakage.md.
"""

from __future__ import annotations

import hashlib
import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

SEGMENTS = 8  # of a recording; each gives the hash the position of its highest and its lowest sample
LINES_HZ = np.arange(60, 4801, 10)  # lines of every transform over tenths of a second, whatever the sampling rate
PROFILE_SIZE = len(LINES_HZ)
TOP_SHARE = 0.4  # highest line as a share of the sampling rate: below any sensible anti-aliasing filter
NEIGHBOURS_HZ = 25.0  # on either side, by which a line is measured: wider than lines, narrower than resonances
TONE = 8.0  # times its neighbours: not chance (1 of 3000 lines of noise) but a shaft or a mains, as in all recordings
SPREAD = (3.5, 8.0)  # variance of the logarithms around a line, of noise 1.64, that tones may bring it to: where few
FEW = 30  # lines lie on either side, a tone's skirts fill them, and are the same in all recordings of a machine
BRIEF = {0.15: 0.814, 0.25: 0.84}
"""Under so many seconds tones are not resolved: the vector's length, so that SAME asks for a correlation of 0.83 or
0.78. Two nearly noiseless recordings of one simulated bearing reach 0.80 in 0.1 s, 0.59 in 0.2 s."""
MEAN = 0.4037  # of x / (1 + x) where x is exponentially distributed, as lines of noise are: 1 + e · Ei(−1)
NOISE = 0.01  # share of a recording's power that added noise may have: 20 dB. Lines that it would hide weigh less
TENTHS = np.array(sorted(2**a * 3**b * 5**c for a in range(8) for b in range(5) for c in range(4)))  # of a second
TENTHS = TENTHS[TENTHS <= 200]
SAME = 0.55  # correlation of profiles from which two recordings are copies; see tests for what real recordings reach
CHANCE = 3.8  # and how many times that which two recordings reach by chance, given how many lines their profiles have
BRUTE_PAIRS = 10**8  # pairs that are compared one by one (about a second on a core); above, only likely ones
TABLES, BITS = 30, 16  # of the search for likely pairs; see _likely
SKETCH = 64  # numbers to which a profile is brought down for it


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
    """Describe by how much lines of a recording's spectrum stick out of their neighbours, as a vector of length 1.

    The power of a line over the geometric mean of the 25 Hz on either side is exponentially distributed where a signal
    is random, and drawn anew in each recording; it is bent to between 0 and 1, and its mean taken off. Gain, offset,
    mean spectrum and filters cancel; tones are left out, since all recordings of a machine share them; a line weighs
    as much as noise of 20 dB would leave of it. Of a shift by a share s of the length the lines keep a correlation of
    about 1 − 2 s.

    Shapes: (C, length) or (length,) to (PROFILE_SIZE,), shorter than 1 for recordings under 0.25 s (BRIEF); zeros where
        there is no line, which match nothing.

    Args:
        signal: samples; the first 20 s at most are used.
        rate_hz: sampling rate in Hz; lines above 0.4 of it are left out.
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
    edge = number // 10  # faded in and out: the ends of a tone would reach into all lines, the same in all recordings
    fade = np.sin(np.arange(edge, dtype=np.float32) * np.float32(np.pi / 2 / max(edge, 1))) ** 2
    single[:, :edge] *= fade
    single[:, single.shape[1] - edge :] *= fade[::-1]
    vector = _sticking_out(rfft(single, n=number, axis=1), number, rate_hz)
    length = next((length for seconds, length in BRIEF.items() if number < seconds * rate_hz), 1.0)
    norm = np.linalg.norm(vector) / length
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
    only pairs that a search by random hyperplanes proposes: of copies whose profiles correlate by 0.95 it finds
    996 of 1000, by 0.9 nine of ten, by 0.8 half.

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
    """Choose how many samples a profile looks at: a number of tenths of a second without large prime factors.

    So the transform is fast, and LINES_HZ are lines of it. The time depends on the duration alone, so that it is the
    same for a copy at another rate, whose last sample may be missing: up to a millisecond is then made up with zeros.
    Recordings under 0.1 s are taken whole.
    """
    fitting = int(np.searchsorted(TENTHS, 10 * samples / rate_hz + 0.01, side="right"))
    return round(int(TENTHS[fitting - 1]) / 10 * rate_hz) if fitting else samples


def _sticking_out(spectrum: NDArray[np.complex64], number: int, rate_hz: float) -> NDArray[np.float64]:
    """Take the transform of `number` samples of unit power, (C, bins), to LINES_HZ, the mean over channels."""
    width = rate_hz / number
    line = np.rint(LINES_HZ / width).astype(np.int64)
    there = (TOP_SHARE * rate_hz >= LINES_HZ) & (np.diff(line, prepend=0) > 0) & (line < spectrum.shape[1])
    line, around = line[there], max(4, round(NEIGHBOURS_HZ / width))
    if not line.size:
        return np.zeros(PROFILE_SIZE)
    below = spectrum[:, : line[-1] + around + 1]
    power = (below.real**2 + below.imag**2) / number + np.float32(1e-12)  # 1 a line for white noise; silence is no −inf
    logs = np.log(power).astype(np.float64)
    first, last = np.maximum(line - around, 1), np.minimum(line + around + 1, power.shape[1])
    mean, square = (_means(values, first, last) for values in (logs, logs**2))
    level = np.exp(mean + np.euler_gamma)  # the mean of what is exponentially distributed
    ratio = power[:, line] / level
    random = (ratio < TONE) & (square - mean**2 < SPREAD[around > FEW])
    bent = np.where(random, ratio / (1 + ratio) - MEAN, 0.0)
    vector = np.zeros(PROFILE_SIZE)
    vector[there] = (bent * level / (level + NOISE)).mean(axis=0)
    return vector


def _means(values: NDArray[np.float64], first: NDArray[np.int64], last: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean of values[:, first:last] for each pair, (C, pairs)."""
    sums = np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)
    return np.asarray((sums[:, last] - sums[:, first]) / (last - first))


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
    keep[keep] = value[keep] ** 2 * _lines(vectors, a[keep], b[keep]) >= CHANCE**2
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


def _lines(vectors: NDArray[np.float32], a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float64]:
    """Lines that count in the profiles of each pair, the fewer of both: two of n lines correlate by 1/√n by chance."""
    used, where = np.unique(np.concatenate([a, b]), return_inverse=True)
    squares = vectors[used].astype(np.float64) ** 2
    number = np.sum(squares, axis=1) ** 2 / np.maximum(np.sum(squares**2, axis=1), 1e-12)
    return np.asarray(np.minimum(number[where[: len(a)]], number[where[len(a) :]]))


def _likely(
    vectors: NDArray[np.float32], rows_a: NDArray[np.int64], rows_b: NDArray[np.int64], threshold: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Propose pairs that lie on the same side of all random hyperplanes of at least one table.

    Charikar (2002), Similarity estimation techniques from rounding algorithms, STOC, doi:10.1145/509907.509965: two
    vectors at angle θ agree in a bit with probability 1 − θ/π. At a correlation of 0.95 that is 0.899, in the 16 bits
    of a table 0.18, and in one of 30 tables 0.997; unrelated ones meet in a table with 1/65536.
    """
    rng = np.random.default_rng(0)
    down = (rng.standard_normal((vectors.shape[1], SKETCH)) / np.sqrt(SKETCH)).astype(np.float32)
    planes = rng.standard_normal((SKETCH, TABLES * BITS)).astype(np.float32)
    weights = (1 << np.arange(BITS)).astype(np.float32)
    rows = np.union1d(rows_a, rows_b)
    sketch = (vectors @ down)[rows]  # (rows, SKETCH), with about the same angles
    some = np.any(sketch != 0, axis=1)
    rows, sketch = rows[some], sketch[some]
    place_a, place_b = (np.flatnonzero(np.isin(rows, side, assume_unique=True)) for side in (rows_a, rows_b))
    found: NDArray[np.int64] = np.empty(0, np.int64)
    for table in range(TABLES):
        bucket = ((sketch @ planes[:, table * BITS : (table + 1) * BITS]) > 0) @ weights
        pairs = _in_same_bucket(bucket.astype(np.int32), place_a, place_b)
        value = np.concatenate([np.empty(0, np.float32), *_products(sketch, pairs[0], pairs[1])])
        near = value >= threshold / 2  # keeps the list short; the caller applies the threshold to the whole
        found = np.union1d(found, pairs[0][near] * len(rows) + pairs[1][near])
    return rows[found // len(rows)], rows[found % len(rows)]


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
