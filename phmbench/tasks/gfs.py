"""Generalised few-shot: novel classes join those that training has."""

from __future__ import annotations

from typing import ClassVar

from phmbench.tasks.fewshot import FewShot


class GeneralisedFewShot(FewShot):
    """Few-shot in which a query may be of a base class, of which training has many windows, or of a novel one.

    Beside the metrics of few-shot: accuracy on queries of base classes and of novel classes, means over episodes, and
    the harmonic mean of the two (Xian, Schiele & Akata 2017, Zero-shot learning: the good, the bad and the ugly, CVPR,
    arXiv 1703.04394, eq. 9).

    Args:
        network: signal (B, C, L) and context to logits (B, K), and `features`.
        method: `(network, support, query)` to one score a way (`phmbench.methods`).
        optimizer: makes an optimizer from parameters.
        scheduler: makes a schedule of the rate; None: a constant rate.
        class_names: K names, of base and novel classes.
        learn_from: what training is made of, "episodes" or "windows"; None: what the method was published with.

    Raises:
        ConfigError: the method cannot learn from that.
    """

    reports: ClassVar[tuple[str, ...]] = (
        "loss",
        "accuracy",
        "balanced_accuracy",
        "macro_f1",
        "f1/*",
        "recall/*",
        "base_accuracy",
        "novel_accuracy",
        "harmonic_mean",
    )  # of val and test
