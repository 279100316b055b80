"""The run directory: one run, in exactly one state, from which it can be judged and repeated."""

from __future__ import annotations

import datetime
import json
import logging
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from phmbench import interrupt
from phmbench.errors import PrunedError, RecordError
from phmbench.record import atomic, claim, environment, lock, log, result, schema
from phmbench.record.configuration import read_config, require_same, write_config
from phmbench.record.contents import clear, clear_parts, folder_name
from phmbench.record.status import METRICS, STATUS, State, exists, read_metrics, read_status, state, write_status

if TYPE_CHECKING:
    import pandas as pd

    from phmbench.record.predictions import Example

logger = log.logger


class Record:
    """The run directory of one run, held by a lock until it is finished, failed or interrupted.

    `open`, `resume` and `attach` make one. As a context manager it ends the record with the block: an error makes it
    failed, leaving the block without `finish` makes it interrupted.

    Attributes:
        path: the folder.
        config: the configuration, resolved and filled, as plain dicts, lists and values.
        log: the handler that writes what the logger "phmbench" is told to log.txt; None in an attached record.
    """

    def __init__(self, path: Path, config: Mapping[str, Any], *, descriptor: int | None, owner: bool) -> None:
        self.path, self.config = path, dict(config)
        self.log: logging.Handler | None = log.attach(path / "log.txt") if owner else None
        self._descriptor, self._is_open = descriptor, owner
        self._warned: list[str] = []
        self._said: set[str] = set()  # shared with the records inside this one

    @classmethod
    def open(cls, path: str | Path, config: Mapping[str, Any], *, overwrite: bool = False) -> Record:
        """Begin a record in a folder that has none.

        Args:
            path: the folder; made if it is not there. Files in it that are not of a record are left alone.
            config: plain dicts, lists and values.
            overwrite: remove the record that is there, unless it is running.

        Raises:
            RecordError: the folder holds a record (and `overwrite` is false), or a running one, or cannot be written.
        """
        path = Path(path).resolve()
        descriptor, record = claim.claim(path), None
        try:
            if overwrite:
                clear(path)
            elif exists(path) or (path / METRICS).exists() or any(path.glob("checkpoints/*.ckpt")):
                lock.release(descriptor)  # while we hold it, the record there looks as if it were running
                claim.refuse(path)
            clear_parts(path)
            record = cls(path, config, descriptor=descriptor, owner=True)
            write_config(path, config)  # first: from here on the run can be resumed
            record._say("running", started=_now())
            log.write(record.log, f"begun: {log.typed(sys.argv)}")
            atomic.write_text(path / "environment.txt", environment.describe())
        except BaseException:
            if record is not None:
                record._close()
            lock.release(descriptor)
            raise
        return record

    @classmethod
    def resume(cls, path: str | Path, config: Mapping[str, Any] | None = None) -> Record:
        """Go on with a record that failed or was interrupted, in its own folder and configuration.

        Args:
            path: the folder.
            config: if given, must be the record's own (but for where things lie).

        Raises:
            RecordError: there is no record, it is running or done, or it is of another configuration.
        """
        path = Path(path).resolve()
        status = read_status(path)
        descriptor, record = claim.claim(path), None
        try:
            if state(path) == "done":
                raise RecordError(f"{path}: the run is done; got resume; expected a run that failed or was "
                                  f"interrupted; repeat it with: phmbench rerun {path}")  # fmt: skip
            own = read_config(path)
            if config is not None:
                _require(path, own, config)
            damaged = [
                name for name, bad in ((STATUS, "damaged" in status), (METRICS, (path / METRICS).exists())) if bad
            ]
            (path / METRICS).unlink(missing_ok=True)
            clear_parts(path)
            record = cls(path, own, descriptor=descriptor, owner=True)
            record._say("running", started=status.get("started") or _now(), resumed=_now())
            log.write(record.log, f"resumed: {log.typed(sys.argv)}")
            for name in damaged:
                logger.warning("resume: %s is damaged or missing; it is made again", path / name)
            atomic.write_text(path / "environment.txt", environment.describe())
        except BaseException:
            if record is not None:
                record._close()
            lock.release(descriptor)
            raise
        return record

    @classmethod
    def attach(cls, path: str | Path) -> Record:
        """The record of a run that another process holds: for its ranks, which write into it and never end it.

        Raises:
            RecordError: there is no record.
        """
        path = Path(path).resolve()
        read_status(path)
        return cls(path, read_config(path), descriptor=None, owner=False)

    def child(self, name: str, config: Mapping[str, Any]) -> Record:
        """The record of one fold or seed inside this one: begun, or resumed where it was cut off, or done.

        Args:
            name: `target-mfpt`, `seed-0`; what a file name cannot hold becomes "-".
            config: as in `open`.

        Raises:
            RecordError: it is running, or of another configuration.
        """
        inner = type(self).begin(self.path / folder_name(name), config)
        inner._said = self._said
        return inner

    @classmethod
    def begin(cls, path: str | Path, config: Mapping[str, Any]) -> Record:
        """The record of this configuration in this folder: begun, or resumed where it was cut off, or done.

        Args:
            path: the folder; a record in it whose configuration is damaged is begun again.
            config: as in `open`.

        Raises:
            RecordError: it is running, or of another configuration.
        """
        path = Path(path).resolve()
        if not exists(path):
            return cls.open(path, config)
        try:
            own = read_config(path)
        except RecordError as error:
            logger.warning("%s; it is begun again", error)
            return cls.open(path, config, overwrite=True)
        if state(path) == "done":
            _require(path, own, config)
            return cls(path, own, descriptor=None, owner=False)
        return cls.resume(path, config)

    @property
    def state(self) -> State:
        """Of the folder: running, done, failed or interrupted."""
        return state(self.path)

    @property
    def checkpoints(self) -> Path:
        """Folder of best.ckpt and last.ckpt; not made here."""
        return self.path / "checkpoints"

    def result(self) -> dict[str, Any]:
        """What metrics.json holds.

        Raises:
            RecordError: the run is not done.
        """
        return read_metrics(self.path)

    def write_split(self, frame: pd.DataFrame) -> None:
        """split.csv: recording, rig, unit, condition, label, set, windows, first_sample, last_sample."""
        atomic.write_text(self.path / "split.csv", frame.to_csv(index=False))

    def write_episodes(self, frame: pd.DataFrame) -> None:
        """episodes.csv: which windows taught, and which were asked, in each episode of the test."""
        self._require_open("write")
        atomic.write_text(self.path / "episodes.csv", frame.to_csv(index=False))

    def write_predictions(
        self,
        *,
        recording: Any,
        names: Sequence[str],
        start: Any,
        target: Any,
        scores: Any,
        classes: Sequence[str],
        window: int,
        examples: Sequence[Example] = (),
    ) -> None:
        """predictions.h5, see `phmbench.record.predictions.write`."""
        from phmbench.record import predictions

        content = predictions.encode(recording=recording, names=names, start=start, target=target, scores=scores,
                                     classes=classes, window=window, examples=examples)  # fmt: skip
        atomic.write_bytes(self.path / "predictions.h5", content)

    def keep_config(self, config: Mapping[str, Any]) -> None:
        """Put another configuration in the place of the record's own; a run that goes on may ask for either."""
        status = read_status(self.path)
        asked = {key: value for key, value in self.config.items() if config.get(key) != value}
        write_status(self.path, {**status, "asked": {**asked, **(status.get("asked") or {})}})
        write_config(self.path, config)
        self.config = dict(config)

    @property
    def warnings(self) -> list[str]:
        """What `warn` was told, in this sitting and in earlier ones, each once."""
        return list(dict.fromkeys([*(read_status(self.path).get("warnings") or ()), *self._warned]))

    def warn(self, text: str) -> None:
        """Say once, on the screen and in log.txt, what a reader of this run must know; `finish` puts it in the result.

        Kept in status.json at once, for the run that resumes this one and the process that started this rank. Of
        several ranks the first alone warns. The text names the choice or the module it is about, and the next step.
        """
        text = " ".join(text.split())
        if text in self._warned:
            return
        self._warned.append(text)
        if text in self._said:  # by another fold or seed: the screen has it
            log.write(self.log, f"warning: {text}")
        else:
            self._said.add(text)
            logger.warning("%s", text)
        if self.log is None:
            log.append(self.path / "log.txt", text)
        try:
            write_status(self.path, {**read_status(self.path), "warnings": self.warnings})
        except RecordError as full:
            logger.warning("%s", full)

    def finish(self, outcome: Mapping[str, Any], *, pages: bool = True) -> None:
        """End the run as done: figures and page, then, last of all and atomically, metrics.json.

        Args:
            outcome: of `result.build`, `aggregate_repeats` or `aggregate_folds`.
            pages: draw the figures and write report.html; a sweep leaves them to `phmbench report`.

        Raises:
            RecordError: the outcome is not valid by the schema (the record stays open), or cannot be written.
        """
        self._require_open("finish")
        outcome = dict(result.plain(outcome))
        outcome["warnings"] = list(dict.fromkeys([*self.warnings, *(outcome.get("warnings") or ())]))
        schema.require(outcome)
        text = json.dumps(outcome, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        if pages:
            self._write_pages(outcome)
        self._say("done", ended=_now())
        log.write(self.log, "the run is done")
        atomic.write_text(self.path / METRICS, text)
        self._close()

    def fail(self, error: BaseException) -> None:
        """End the run as failed; the error's traceback goes to log.txt."""
        self._require_open("fail")
        self._end("failed", error)

    def interrupt(self) -> None:
        """End the run as interrupted, by the user or the queue."""
        self._require_open("interrupt")
        self._end("interrupted", None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._is_open:
            return
        if isinstance(error, Exception) and not isinstance(error, PrunedError) and interrupt.exit_code(error) is None:
            self.fail(error)
        else:
            self.interrupt()

    def _require_open(self, verb: str) -> None:
        if not self._is_open:
            raise RecordError(
                f"{self.path}: this record is not open; got {verb}; expected the one that began or resumed the run, "
                "before it ended; call Record.open or Record.resume"
            )

    def _write_pages(self, outcome: dict[str, Any]) -> None:
        """Figures and page; a result is not lost because a picture cannot be drawn, but the log says so."""
        from phmbench.record import figures, report

        try:
            figures.draw(self.path, outcome=outcome)
            report.write_report(self.path, outcome=outcome)
        except Exception:
            logger.exception(
                "%s: figures or page could not be made; try again with: phmbench report %s", *[self.path] * 2
            )

    def _say(self, what: State, **more: str | None) -> None:
        """Write status.json; what was said before and is not said anew stays."""
        before = read_status(self.path) if exists(self.path) else {}
        before.pop("damaged", None)
        here = {"state": what, "pid": os.getpid(), "host": socket.gethostname()}
        write_status(self.path, {"error": None, **before, **here, **more})

    def _end(self, what: State, error: BaseException | None) -> None:
        """A disk so full that the state cannot be said leaves it to the lock, which ends: interrupted."""
        log.write(self.log, f"the run {'failed' if what == 'failed' else 'was interrupted'}", error)
        try:
            self._say(what, ended=_now(), error=None if error is None else f"{type(error).__name__}: {error}")
        except RecordError as full:
            logger.warning("%s", full)
        self._close()

    def _close(self) -> None:
        if self.log is not None:
            logger.removeHandler(self.log)
            self.log.close()
        lock.release(self._descriptor)
        self._is_open = False


def _require(path: Path, own: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """`require_same`, with the record's own or with what `keep_config` has replaced."""
    asked = read_status(path).get("asked") or {}
    replaced = asked and all(config.get(key) == value for key, value in asked.items())
    require_same(path, {**own, **asked} if replaced else own, config)


def _now() -> str:
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")
