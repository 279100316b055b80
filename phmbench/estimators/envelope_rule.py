"""The rule of every textbook: the fault whose lines stand highest in the squared envelope's spectrum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phmbench.errors import ConfigError
from phmbench.estimators.contract import Features, Rows

FAMILY = {"outer": 0, "inner": 1, "rolling_element": 2, "cage": 3}
"""Fault → whose harmonics tell it: BPFO, BPFI, twice BSF, FTF."""
HEALTHY = "normal"
LOWEST_DB = -100.0  # of a class that the rule does not know


class EnvelopeRule:
    """The family of lines that stands highest over the floor names the fault; below a threshold the bearing is healthy.

    Nothing is trained. It chooses among the faults that are classes, and healthy only where that is one.

    Paper: Randall & Antoni (2011), Rolling element bearing diagnostics: a tutorial, Mechanical Systems and Signal
        Processing 25(2), 485–520, DOI 10.1016/j.ymssp.2010.07.017.
    Deviations: heights in dB over the local floor, averaged over the harmonics, of the channel where they are highest.

    Args:
        features: heights of the lines of BPFO, BPFI, twice BSF and FTF, of each channel.
        threshold_db: height below which a bearing is healthy.

    Raises:
        ConfigError: in the fit, where no class is a fault of a bearing.
    """

    whole = True

    def __init__(self, *, features: Features, threshold_db: float) -> None:
        self.features, self.threshold_db = features, threshold_db
        self.settings: list[dict[str, Any]] = [{}]

    def fit(self, rows: Rows, *, setting: Mapping[str, Any], seed: int) -> Rule:
        """Look up which classes there are, and nothing else.

        Raises:
            ConfigError: no class is a fault of a bearing.
        """
        if not set(rows.classes) & set(FAMILY):
            raise ConfigError(
                f"estimator: no class is a fault that has lines; got {', '.join(rows.classes)}; expected one of "
                f"{', '.join(FAMILY)}; choose another estimator or data.label"
            )
        return Rule(rows.classes, self.threshold_db)


class Rule:
    """The rule for some classes."""

    def __init__(self, classes: tuple[str, ...], threshold_db: float) -> None:
        self.classes, self.threshold_db = classes, threshold_db

    def scores(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Heights in dB, the threshold in the place of health: (N, C · 4) to (N, K)."""
        height = values.reshape(len(values), -1, len(FAMILY)).max(1, initial=LOWEST_DB)  # (N, 4)
        found = np.full((len(values), len(self.classes)), LOWEST_DB, np.float32)
        for column, name in enumerate(self.classes):
            if name in FAMILY:
                found[:, column] = height[:, FAMILY[name]]
            elif name == HEALTHY:
                found[:, column] = self.threshold_db
        return found
