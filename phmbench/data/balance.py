"""What each training window weighs, where classes, rigs or domains have more windows than others."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Balance = Literal["none", "classes", "classes_and_rigs", "classes_and_domains"]


def weights(label: NDArray[np.int64], group: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of windows, so that each class weighs the same, and within it each group that has it; their mean is 1.

    Shapes: (N,) and (N,) to (N,).

    Args:
        label: classes.
        group: rigs or domains.
    """
    classes, of_class = np.unique(label, return_inverse=True)
    groups, of_group = np.unique(group, return_inverse=True)
    cell = of_class * len(groups) + of_group  # (N,) of a class in a group
    windows = np.bincount(cell, minlength=len(classes) * len(groups))
    has = (windows.reshape(len(classes), len(groups)) > 0).sum(1)  # groups of each class
    weight: NDArray[np.float64] = len(label) / (len(classes) * has[of_class] * windows[cell])
    return weight
