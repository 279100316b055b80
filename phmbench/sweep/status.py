"""How a search or a grid stands, read from its folder, which may be written at the same time, or not be writable."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from phmbench.errors import ConfigError, PhmbenchError, RecordError
from phmbench.record import atomic, words
from phmbench.record.log import hidden
from phmbench.sweep import jobs, trials
from phmbench.sweep.trials import Trials

log = logging.getLogger("phmbench")

FILE = "sweep.json"
JOURNAL = "study.journal"
MANIFEST = "manifest.json"


def write(folder: Path, *, name: str, storage: str | None, n_trials: int, at_once: int) -> None:
    """Put into the folder what a status needs besides the study; a URL that holds a password is left out."""
    secret = storage is not None and hidden(storage) != storage
    said = {"name": name, "storage": None if secret else storage, "secret": secret, "n_trials": n_trials,
            "at_once": at_once}  # fmt: skip
    atomic.write_text(folder / FILE, json.dumps(said, indent=1) + "\n")


def name_of_study(folder: Path, kept: Any, name: str, *, url: str | None) -> str:
    """The study of a folder: one that was moved or renamed has the study that was begun in it, under its old name.

    Args:
        folder: of the sweep.
        kept: its storage.
        name: that was typed, or made of what was.
        url: of the storage; None: it is in the folder.

    Raises:
        ConfigError: it is not known which of several studies is meant, or the folder belongs to another one.
    """
    if url is not None:
        before = _json(folder / FILE)["name"] if (folder / FILE).is_file() else name
        if before != name:
            raise ConfigError(
                f"sweep_name: {folder} has the trials of another study; got {name!r}; expected {before!r}; type "
                f"sweep_name={before} to go on with it, or choose another hydra.sweep.dir"
            )
        return name
    names: list[str] = [study.study_name for study in kept.get_all_studies()]
    if not names or name in names:
        return name
    if len(names) > 1:
        raise ConfigError(
            f"sweep_name: {folder} has several studies; got {name!r}; expected one of {', '.join(names)}; type "
            f"sweep_name={names[0]} hydra.sweep.dir={folder}"
        )
    log.info("search: goes on with the study of this folder, which was begun as %s", names[0])
    return names[0]


def main(argv: Sequence[str]) -> int:
    """The command `phmbench sweep-status`."""
    parser = argparse.ArgumentParser("phmbench sweep-status", description="how a search or a grid stands")
    parser.add_argument("dir", type=Path, help="the folder of a sweep")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--storage", help="URL of the study, where the folder does not keep it")
    args = parser.parse_args(argv)
    found = read(args.dir, storage=args.storage)
    print(json.dumps(found, indent=1) if args.json else said(found))
    return 0


def read(folder: Path, *, storage: str | None = None) -> dict[str, Any]:
    """`folder`, `counts`, `wanted` (trials or jobs in all), `best` (or None), `seconds_left` (None: not known).

    Raises:
        RecordError: it is not the folder of a sweep, or damaged.
    """
    folder = folder.absolute()
    if (folder / MANIFEST).is_file() and not (folder / FILE).exists():
        return {"folder": str(folder), **_of_grid(folder, _json(folder / MANIFEST))}
    if not (folder / FILE).is_file():
        raise RecordError(
            f"{folder}: not the folder of a sweep; got no {FILE} and no {MANIFEST}; expected what sweep.py or "
            "train.py -m writes under outputs/sweeps; correct the path"
        )
    settings = _json(folder / FILE)
    try:
        found = trials.read(_study(folder, settings, storage), folder)
    except PhmbenchError:
        raise
    except Exception as error:
        raise RecordError(
            f"{folder}: the study cannot be read; got {type(error).__name__}: {' '.join(str(error).split())[:200]}; "
            "expected a study of Optuna's; it is damaged, or its server is away"
        ) from error
    best = found.best
    return {
        "folder": str(folder),
        "counts": found.counts(),
        "wanted": settings["n_trials"],
        "best": best and {"trial": best.number, "values": dict(zip(found.objectives, best.values or (), strict=False)),
                          "chosen": dict(best.chosen), "folder": best.folder},
        "seconds_left": _left_of_search(found, settings),
    }  # fmt: skip


def _json(file: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(file.read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise RecordError(
            f"{file}: cannot be read; got {error}; expected whole JSON; type the sweep's command again, which writes it"
        ) from error


def _study(folder: Path, settings: Mapping[str, Any], storage: str | None) -> Any:
    """The study, opened so that nothing in the folder is written."""
    from phmbench.sweep import extras
    from phmbench.sweep import storage as storages

    extras.require()
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    url = storage or settings["storage"]
    if url is None and settings["secret"]:
        raise RecordError(
            f"{folder}: its study is on a server whose URL is not kept here, since it may hold a password; expected "
            "--storage URL; give the one that the search was given"
        )
    if url is not None:
        return optuna.load_study(study_name=settings["name"], storage=storages.opened(url, folder))
    if not (folder / JOURNAL).is_file():
        raise RecordError(f"{folder / JOURNAL}: not found; expected the study of this sweep; it was moved or removed")
    return optuna.load_study(
        study_name=settings["name"], storage=JournalStorage(JournalFileBackend(str(folder / JOURNAL)))
    )


def _left_of_search(found: Trials, settings: Mapping[str, Any]) -> float | None:
    """Seconds: what trials have taken on average, for those left and for the rest of those that run."""
    ended, running = found.of("complete", "pruned"), found.of("running")
    taken = [row.seconds for row in ended if row.seconds is not None]
    left = max(0, settings["n_trials"] - len(ended) - len(running))
    if not left and not running:
        return 0.0
    if not taken:
        return None
    mean = sum(taken) / len(taken)
    epochs = [row.epochs for row in found.of("complete") if row.epochs]
    whole = sum(epochs) / len(epochs) if epochs else 0.0
    rest = [mean * max(0.0, 1 - (row.epochs or 0) / whole) if whole else mean / 2 for row in running]
    return float(round((mean * left + sum(rest)) / max(settings["at_once"], len(running), 1), 1))


def _of_grid(folder: Path, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The same of a grid, from the records of its jobs; the best by the monitor of validation."""
    names = {"done": "complete", "running": "running", "failed": "failed", "interrupted": "interrupted"}
    counts = dict.fromkeys(trials.COUNTED, 0)
    taken: list[float] = []
    best: dict[str, Any] | None = None
    listed = manifest.get("jobs") or []
    for job in listed:
        standing = jobs.standing(folder / job["folder"])
        if standing in names:
            counts[names[standing]] += 1
        if standing == "done":
            result = _json(folder / job["folder"] / "metrics.json")
            taken.append(sum(result["seconds"].values()))
            best = _better(best, job, result)
    left = len(listed) - counts["complete"]
    mean = sum(taken) / len(taken) if taken else None
    seconds = 0.0 if not left else None if mean is None else round(mean * left / max(1, counts["running"]), 1)
    return {"counts": counts, "wanted": len(listed), "best": best, "seconds_left": seconds}


def _better(best: dict[str, Any] | None, job: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any] | None:
    """The better of two jobs by their monitor; None where they have none in common."""
    from phmbench.resolvers import metric_mode

    monitor, value = result["monitor"], result["metrics"].get(result["monitor"])
    if value is None:
        return best
    sign = 1 if metric_mode(monitor) == "max" else -1
    if best is not None and (monitor not in best["values"] or sign * best["values"][monitor] >= sign * value):
        return best
    return {"words": job["words"], "values": {monitor: value}, "folder": job["folder"]}


def said(found: Mapping[str, Any]) -> str:
    """A status in words."""
    counts = ", ".join(f"{count} {state}" for state, count in found["counts"].items())
    ended = found["counts"]["complete"] + found["counts"]["pruned"]
    lines = [f"{ended} of {found['wanted']} finished: {counts}"]
    best = found["best"]
    if best:
        values = ", ".join(f"{name} {words.number(value)}" for name, value in best["values"].items())
        name = f"trial {best['trial']}" if "trial" in best else " ".join(best["words"])
        chosen = ", ".join(f"{key}={trials.said(value)}" for key, value in best.get("chosen", {}).items())
        lines.append(f"best so far: {values} ({name}{': ' if chosen else ''}{chosen}), in {best['folder']}")
    else:
        lines.append("best so far: none is complete")
    left = found["seconds_left"]
    lines.append("time left: not known yet" if left is None else f"time left: about {words.duration(left)}" if left
                 else "time left: none, all are finished")  # fmt: skip
    return "\n".join(lines)
