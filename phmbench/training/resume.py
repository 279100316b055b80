"""A run that was cut off: the checkpoint it goes on from, and its curves over several sittings."""

from __future__ import annotations

import csv
import io
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phmbench.errors import ConfigError, RecordError
from phmbench.record import atomic
from phmbench.training.checkpoints import read_checkpoint

if TYPE_CHECKING:
    from phmbench.tasks.base import Task

log = logging.getLogger("phmbench")

LAST = "last.ckpt"
NEEDED = ("epoch", "global_step", "loops", "optimizer_states", "callbacks")  # of a fit, besides its weights


def checkpoint_of(folder: Path, task: Task) -> Path | None:
    """The checkpoint that a run goes on from: last.ckpt if it is whole, else the latest that is; None: the start.

    One that is damaged, or names a best one that is, is put aside, and the log says so.

    Raises:
        RecordError: the checkpoint is whole, but of another model.
    """
    damaged = []
    for path in _in_order(folder):
        found = _whole(path)
        if found is None:
            damaged.append(path)
            continue
        require_same_model(path, found, task)
        relocate(path, found)
        if damaged:
            log.warning("resume: goes on from %s, made after epoch %d", path.name, found["epoch"] + 1)
            _put_aside(damaged)
        return path
    if damaged:
        log.warning("resume: no whole checkpoint is left in %s; the fit begins again", folder)
        _put_aside(damaged)
    return None


def _in_order(folder: Path) -> list[Path]:
    """last.ckpt, then the others, the youngest first."""
    found = [path for path in folder.glob("*.ckpt") if path.is_file()]
    return sorted(found, key=lambda path: (path.name != LAST, -path.stat().st_mtime_ns, path.name))


def _whole(path: Path) -> dict[str, Any] | None:
    """A checkpoint that a fit can go on from, and whose best one can be tested; else None."""
    try:
        found = read_checkpoint(path)
        missing = [key for key in NEEDED if key not in found]
        if missing:
            raise ConfigError(f"no {', '.join(missing)} in it")
        for state in _states(found):
            best = str(state.get("best_model_path") or "")
            if best and Path(best).name != path.name:
                read_checkpoint(path.parent / Path(best).name)
    except ConfigError as error:
        log.warning("resume: %s is damaged or not of a fit: %s", path, str(error).removeprefix("init: "))
        return None
    return found


def _states(checkpoint: dict[str, Any]) -> list[dict[str, Any]]:
    """What the callbacks that keep checkpoints say of theirs."""
    return [state for state in checkpoint["callbacks"].values() if isinstance(state, dict) and state.get("dirpath")]


def _put_aside(paths: list[Path]) -> None:
    """Leave a damaged file to whom it may concern, under a name that Lightning does not count on from."""
    for path in paths:
        path.replace(path.with_name(f"{path.name}.damaged"))


def require_same_model(path: Path, checkpoint: dict[str, Any], task: Task) -> None:
    """Hold names and shapes of a checkpoint against those of the task.

    Raises:
        RecordError: names the first that differ.
    """
    own = {name: tuple(value.shape) for name, value in task.state_dict().items()}
    theirs = {name: tuple(getattr(value, "shape", ())) for name, value in checkpoint["state_dict"].items()}
    differ = [name for name in {**own, **theirs} if own.get(name) != theirs.get(name)]
    if differ:
        first = f"{differ[0]} {theirs.get(differ[0], 'not there')}"
        raise RecordError(
            f"{path}: a checkpoint of another model; got {first} and {len(differ) - 1} more that differ; expected "
            f"{own.get(differ[0], 'no such tensor')}, as in config.yaml; put the run's own back, or remove it: the fit "
            "then begins again"
        )


def relocate(path: Path, checkpoint: dict[str, Any]) -> None:
    """Let a checkpoint whose folder has moved name the ones beside it: Lightning would forget the best one."""
    moved = [state for state in _states(checkpoint) if Path(state["dirpath"]) != path.parent]
    for state in moved:
        old = state["dirpath"]
        for key, value in state.items():
            if isinstance(value, str) and key.endswith(("_path", "dirpath")):
                state[key] = _moved(value, old, path.parent)
        best = state.get("best_k_models", {})
        state["best_k_models"] = {_moved(name, old, path.parent): score for name, score in best.items()}
    if moved:
        from phmbench.training.whole_files import WholeFiles

        WholeFiles().save_checkpoint(checkpoint, path)


def _moved(name: str, old: str, folder: Path) -> str:
    return str(folder / Path(name).relative_to(old)) if name and Path(name).is_relative_to(old) else name


class Curves:
    """csv/metrics.csv over several sittings: Lightning's logger begins it anew at each."""

    def __init__(self, folder: Path) -> None:
        self.file, self.earlier = folder / "metrics.csv", folder / "earlier.csv"

    def put_aside(self) -> None:
        """Before a run goes on."""
        if self.file.is_file():
            self._write(self.earlier, self._joined())
            self.file.unlink()

    def join(self) -> None:
        """After it has ended."""
        if self.earlier.is_file():
            self._write(self.file, self._joined())
            self.earlier.unlink()

    def _joined(self) -> list[dict[str, str]]:
        """Rows of both; an epoch that was begun again counts once, as it was the second time."""
        old, new = self._read(self.earlier), self._read(self.file)
        first = min((int(row["epoch"]) for row in new if row.get("epoch")), default=None)
        return [row for row in old if first is None or not row.get("epoch") or int(row["epoch"]) < first] + new

    @staticmethod
    def _read(file: Path) -> list[dict[str, str]]:
        """The rows that are whole: the last one of a run that was killed may not be."""
        if not file.is_file():
            return []
        text = file.read_text(encoding="utf-8", errors="replace").replace("\0", "")
        rows = csv.DictReader(io.StringIO(text))
        return [row for row in rows if None not in row and None not in row.values() and _is_epoch(row.get("epoch"))]

    @staticmethod
    def _write(file: Path, rows: list[dict[str, str]]) -> None:
        names = list(dict.fromkeys(name for row in rows for name in row))
        lines = io.StringIO(newline="")
        writer = csv.DictWriter(lines, names, restval="")
        writer.writeheader()
        writer.writerows(rows)
        atomic.write_text(file, lines.getvalue())


def _is_epoch(text: str | None) -> bool:
    return not text or text.isdecimal()
