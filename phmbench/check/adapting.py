"""Choices of adaptation that contradict others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from phmbench.check.findings import Finding


def of_adaptation(config: Mapping[str, object], task: Mapping[str, object]) -> Iterator[Finding]:
    """Settings of batches of one kind, where a batch is a pair."""
    if isinstance(task.get("target"), Mapping) and config.get("fit_memory") is True:
        what = "a batch is a pair, of sources and target; got task=adapt"
        yield Finding("fit_memory", f"{what}; set data.batch_size to half of what fits")
