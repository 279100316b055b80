"""An estimator in episodes: fitted to the support of each, and asked about its queries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from phmbench.answers import Answered, few_shot_metrics
from phmbench.estimators.contract import Rows

if TYPE_CHECKING:
    from phmbench.config import Config
    from phmbench.data.datamodule import VibrationData
    from phmbench.data.episodes import Drawn, SetName
    from phmbench.estimators.contract import Estimator

Tables = Mapping[str, NDArray[np.float32]]
Sets = Mapping[str, NDArray[np.int64]]


def chosen(
    cfg: Config, data: VibrationData, sets: Sets, tables: Tables, estimator: Estimator
) -> tuple[Mapping[str, Any], dict[str, float]]:
    """The setting that is best on the episodes of validation, the first of equals; and its metrics there."""
    from phmbench.resolvers import metric_mode

    sign = 1.0 if metric_mode(cfg["monitor"]) == "max" else -1.0
    name, found = cfg["monitor"].removeprefix("val/"), []
    for setting in estimator.settings:
        answered = answers("val", data, sets, tables, estimator, setting=setting, seed=cfg["seed"])
        metrics = few_shot_metrics(answered, data.classes)
        found.append((sign * np.nan_to_num(metrics[name], nan=-np.inf), setting, metrics))
    _, setting, metrics = max(found, key=lambda one: one[0])
    return setting, metrics


def answers(
    name: SetName,
    data: VibrationData,
    sets: Sets,
    tables: Tables,
    estimator: Estimator,
    *,
    setting: Mapping[str, Any],
    seed: int,
) -> Answered:
    """What the estimator answers in all episodes of a set.

    Args:
        name: of the set.
        data: draws the episodes.
        sets: set to rows of the window index.
        tables: set to the features of these rows.
        estimator: fitted anew in each episode.
        setting: of it.
        seed: of it.
    """
    assert data.drawn is not None
    rows = np.concatenate(list(sets.values()))
    order = np.argsort(rows, kind="stable")
    values = np.concatenate([tables[one] for one in sets])[order]

    def of(which: NDArray[np.int64]) -> NDArray[np.float32]:
        return values[np.searchsorted(rows[order], which)]

    def one(drawn: Drawn) -> NDArray[np.float32]:
        names = tuple(data.classes[way] for way in drawn.ways)
        rig = data.rig_of[data.windows.recording[drawn.support]]
        fitted = estimator.fit(Rows(of(drawn.support), drawn.support_way, rig, names), setting=setting, seed=seed)
        return fitted.scores(of(drawn.query))

    every = data.drawn.fixed(name)
    stacked = {key: torch.from_numpy(np.stack([getattr(d, key) for d in every])) for key in every[0]._fields}
    return Answered(
        logits=torch.from_numpy(np.stack([one(drawn) for drawn in every])).log_softmax(2),
        label=stacked["query_way"],
        ways=stacked["ways"],
        novel=stacked["novel"],
        window=stacked["query"],
        support=stacked["support"],
    )
