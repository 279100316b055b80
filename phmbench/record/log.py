"""log.txt: what the logger "phmbench" is told while a record is open."""

from __future__ import annotations

import logging
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

logger = logging.getLogger("phmbench")

ASKED = re.compile(r"([?&][^=&]*(?:pass|pwd|secret|token)[^=&]*=)[^&]*", re.IGNORECASE)
"""A password among the parameters of a URL, as libpq takes it."""


class LogFile(logging.FileHandler):
    """A log that does not end a run when the disk is full: it says so once, and goes on when there is room again."""

    _said = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's own name
        """Say once that the log is not whole."""
        error = sys.exc_info()[1]
        if isinstance(error, OSError) and not self._said:
            self._said = True
            print(
                f"{self.baseFilename}: cannot be written; got {error.strerror or error}; expected room for the log; "
                "free space: the run goes on, its log has a gap",
                file=sys.stderr,
            )
        elif not isinstance(error, OSError):
            super().handleError(record)

    def close(self) -> None:
        """Close the file; what does not fit on a full disk is given up."""
        try:
            super().close()
        except OSError:
            self.handleError(logging.makeLogRecord({}))


def attach(path: Path) -> LogFile:
    """Let the logger "phmbench" write to a file as well, with local times; INFO is its level unless another was set."""
    handler = _file(path)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    return handler


def _file(path: Path) -> LogFile:
    handler = LogFile(path, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    return handler


def typed(words: Sequence[str]) -> str:
    """A command as it was typed, without the passwords of URLs."""
    return shlex.join(map(hidden, words))


def hidden(url: str) -> str:
    """A URL, or a word that holds one, without its password: before the last @, and in what is asked of it."""
    scheme, there, rest = url.partition("://")
    if not there:
        return url
    user, at, place = re.sub(ASKED, r"\1…", rest).rpartition("@")  # a password may have an @ of its own
    known = f"{user.partition(':')[0]}:…" if ":" in user else user
    return f"{scheme}://{known}{at}{place}"


def append(path: Path, text: str) -> None:
    """A warning by a process that does not hold the record: one of its ranks."""
    handler = _file(path)
    handler.handle(logging.LogRecord("phmbench.record", logging.WARNING, "", 0, text, None, None))
    handler.close()


def write(handler: logging.Handler | None, text: str, error: BaseException | None = None) -> None:
    """A line of the record's own, with the traceback of an error, into the file alone: the screen has other words."""
    if handler is not None:
        level = logging.INFO if error is None else logging.ERROR
        info = None if error is None else (type(error), error, error.__traceback__)
        handler.handle(logging.LogRecord("phmbench.record", level, "", 0, text, None, info))
