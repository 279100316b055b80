"""One recording, checked and brought to the store's sampling rate."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phmbench.errors import DataError


def check_signal(raw: NDArray[Any], name: str, channels: int, samples: int) -> NDArray[Any]:
    """Refuse a recording that is empty, has another shape than its table says, or another type than real numbers.

    Raises:
        DataError: see above; it names the recording.
    """
    signal = np.asarray(raw)
    if signal.size == 0:
        raise DataError(
            f"recording {name}: no samples; got shape {signal.shape}; expected ({channels}, {samples}); "
            "leave it out with data.where"
        )
    if signal.shape != (channels, samples) or signal.dtype.kind not in "fiu":
        raise DataError(
            f"recording {name}: the signal is not what its table says; got shape {signal.shape} of {signal.dtype}; "
            f"expected ({channels}, {samples}) numbers; mend the source, or leave it out with data.where"
        )
    return signal


def resample(signal: NDArray[Any], ratio: Fraction) -> NDArray[np.float32]:
    """Change the sampling rate of (C, n) by a ratio, output over input, with an anti-aliasing filter; nothing else.

    Polyphase, Kaiser window (scipy's resample_poly). The mean is carried past the filter, which would otherwise ring at
    both ends as if the signal began and ended at zero.

    Shapes: (C, n) to (C, ceil(n · ratio)), C-contiguous float32.
    """
    if ratio == 1:
        return np.ascontiguousarray(signal, dtype=np.float32)
    from scipy.signal import resample_poly  # a second of import, which most stores do not need

    wide = signal.astype(np.float64, copy=False)
    out = resample_poly(wide, ratio.numerator, ratio.denominator, axis=1, padtype="mean")
    return np.ascontiguousarray(out, dtype=np.float32)
