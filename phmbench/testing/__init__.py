"""Checks of the contracts, for the classes of your own package: call them from its tests.

    from phmbench.testing import check_model

    def test_my_model():
        check_model(MyModel, width=16)

Each raises AssertionError with what is wrong and what is expected, and returns None where all is well. Our own options
go through the same checks.
"""

from phmbench.testing.algorithms import check_algorithm
from phmbench.testing.models import check_model
from phmbench.testing.sources import check_source
from phmbench.testing.splits import check_split, example_table
from phmbench.testing.tasks import check_task

__all__ = ["check_algorithm", "check_model", "check_source", "check_split", "check_task", "example_table"]
