"""The end of a sweep: what its trials have given."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def finish(folder: Path, study: Any, *, settings: Any, base: Any, failures: int) -> int:
    """Show the trials."""
    for trial in study.get_trials(deepcopy=False):
        print(trial.number, trial.state.name, trial.values, trial.params, trial.user_attrs)
    return 0
