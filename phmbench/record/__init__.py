"""The record of a run: its directory, its result, its screen, figures and page. Nothing here imports torch."""

from phmbench.record.directory import Record
from phmbench.record.status import state

__all__ = ["Record", "state"]
