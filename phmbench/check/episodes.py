"""Choices of few-shot tasks that contradict others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from phmbench.check.findings import Finding, warning
from phmbench.errors import ConfigError
from phmbench.signatures import Signature, signature_of


def of_episodes(config: Mapping[str, object], task: Mapping[str, object]) -> Iterator[Finding]:
    """Novel classes without episodes, a method trained by what it cannot be trained by, settings of other batches."""
    episodes = isinstance(task.get("episodes"), Mapping)
    split = _signature(task.get("split"))
    if not episodes:
        if split is not None and split.attribute("novel") is True:
            what = "has test classes that training lacks; got a task without episodes"
            yield Finding("task.split", f"{what}; choose task=gfs or task=fewshot, or another task/split")
        return
    method = _signature(task.get("method"))
    known = method.attribute("learns_from") if method is not None else None
    if not isinstance(known, tuple | list) or config.get("estimator") is not None:
        return
    learn_from = task.get("learn_from") or known[0]
    if learn_from not in known:
        what = f"{method.name if method else ''} cannot be trained so; got {learn_from}"
        said = f"{what}; expected {' or '.join(known)}; leave it out, or choose another task/method"
        yield Finding("task.learn_from", said)
    if learn_from != "episodes":
        return
    if config.get("fit_memory") is True:
        yield Finding("fit_memory", "an episode is a batch; got task.learn_from=episodes; set task.n_query instead")
    data = config.get("data")
    if isinstance(data, Mapping) and data.get("balance") not in (None, "none"):
        what = "does nothing: an episode has as many windows of each class"
        yield warning("data.balance", f"{what}; got {data['balance']}; leave it out, or set task.learn_from=windows")


def _signature(node: object) -> Signature | None:
    try:
        return signature_of(str(node["_target_"])) if isinstance(node, Mapping) else None
    except (ConfigError, KeyError):
        return None
