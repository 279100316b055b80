"""A Trainer: as many epochs as fit into a budget of time."""

import datetime
from typing import Annotated, Any

from annotated_types import Gt
from lightning.pytorch import Trainer


class BudgetTrainer(Trainer):
    """Lightning's Trainer, which ends a fit when its seconds are used up.

    Args:
        budget_s: seconds that a fit may take.
        of_lightning: what `lightning.pytorch.Trainer` takes.
    """

    def __init__(self, *, budget_s: Annotated[float, Gt(0)], **of_lightning: Any) -> None:
        super().__init__(max_time=datetime.timedelta(seconds=budget_s), **of_lightning)
