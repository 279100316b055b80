"""What a run says while it runs: on the screen as well as in its log."""

from __future__ import annotations

import logging
import sys
import textwrap


def to_screen() -> None:
    """What the logger "phmbench" is told goes to the screen, as well as into the record's log.txt; once, not by each
    process that torchrun has started."""
    from phmbench.training import ranks

    logger = logging.getLogger("phmbench")
    logger.propagate = False
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
    if not any(type(handler) is logging.StreamHandler for handler in logger.handlers):
        screen = logging.StreamHandler(sys.stdout)
        screen.setLevel(logging.ERROR if ranks.rank() else logging.INFO)
        screen.setFormatter(_Plain())
        screen.addFilter(_Once())
        logger.addHandler(screen)


class _Once(logging.Filter):
    """A warning that one run of many has given is not said again by the next; its record has it."""

    def __init__(self) -> None:
        super().__init__()
        self.said: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        fresh = record.levelno != logging.WARNING or text not in self.said
        self.said.add(text)
        return fresh


class _Plain(logging.Formatter):
    """The text alone; a warning after that word, in lines of the screen's width."""

    def format(self, record: logging.LogRecord) -> str:
        if record.levelno != logging.WARNING:
            return super().format(record)
        text = f"warning: {record.getMessage()}"
        return textwrap.fill(text, 100, subsequent_indent=" " * 9, break_long_words=False, break_on_hyphens=False)
