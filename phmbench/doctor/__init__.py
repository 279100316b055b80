"""`phmbench doctor [choices]`: why a run does not start here, or would be slow; each finding with what mends it.

It is there for when things are broken. So nothing but the standard library is imported before something has been
examined, packages are imported in a process of their own, and each examination may fail without ending the others.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from phmbench.doctor import machine, packages, places, show
from phmbench.doctor.findings import Finding, guarded, of_error, worst

Compose = Callable[[Sequence[str]], dict[str, Any]]


def main(words: Sequence[str], *, compose: Compose | None = None) -> int:
    """Examine, and say what was found; 1 where there is an error, else 0.

    Args:
        words: of the command line: `--json`, and choices.
        compose: makes a checked configuration from choices; None: there is none, since phmbench itself is broken.
    """
    parser = argparse.ArgumentParser(
        "phmbench doctor",
        usage="phmbench doctor [--json] [choices]",
        description="whether a run would start here: machine, packages, places, and what was chosen",
    )
    parser.add_argument("--json", action="store_true", help="findings as JSON")
    args, choices = parser.parse_known_args(list(words))
    findings = examine(choices, compose=compose)
    if args.json:
        print(show.as_json(findings))
    else:
        show.show(findings)
    return 1 if worst(findings) == "error" else 0


def examine(choices: Sequence[str], *, compose: Compose | None) -> list[Finding]:
    """All findings, in the order in which a run would meet them."""
    said = packages.declared()
    modules = [packages.MODULES.get(name, name.replace("-", "_")) for name in map(packages.name_of, said.needed)]
    probe = packages.probe(modules)
    found = guarded("packages", lambda: packages.examine(said, probe))
    for area, look in (("cpu", machine.processors), ("memory", machine.memory), ("limits", machine.limits)):
        found += guarded(area, look)
    found += guarded("gpu", lambda: machine.gpus(probe))
    job, wrong = _composed(choices, compose)
    found += guarded("paths", lambda: _places(_paths(job, compose), _folders(choices)))
    return [*found, *wrong, *_chosen(job if choices else None, bool(probe.broken))]


def _folders(choices: Sequence[str]) -> dict[str, Path]:
    """Where Hydra is told to write, up to what only a run will know (`${…}`)."""
    typed = (re.match(r"\+*(hydra\.(?:run|sweep)\.dir)=(.+)", word) for word in choices)
    told = {match[1]: match[2].strip("'\"").partition("${") for match in typed if match}
    return {
        f"{key}=DIR": Path(known if not more else known.rpartition("/")[0]) for key, (known, more, _) in told.items()
    }


def _places(paths: dict[str, Any], folders: dict[str, Path]) -> list[Finding]:
    cache, root = Path(paths["cache"]).absolute(), paths["data"]
    found = guarded("cache", lambda: places.writable("cache", cache, change=places.CACHE))
    if "output" in paths:
        folders = folders or {places.OUTPUT: Path(paths["output"])}
    for change, folder in folders.items():
        found += guarded("output", partial(places.writable, "output", folder.absolute(), change=change))
    found += guarded("stores", lambda: places.stores(cache))
    return found + guarded("data", lambda: places.rigs(Path(root) if root else None))


def _composed(choices: Sequence[str], compose: Compose | None) -> tuple[dict[str, Any] | None, list[Finding]]:
    """The configuration, and why there is none."""
    if compose is None:
        what = "not looked at; this is what can be examined without phmbench's own commands"
        return None, [Finding("error", "choices", what, f"phmbench doctor {' '.join(choices)}")] if choices else []
    try:
        return compose(choices), []
    except Exception as error:
        return None, of_error("choices", error)


def _paths(job: dict[str, Any] | None, compose: Compose | None) -> dict[str, Any]:
    """Where things lie: as chosen, else as without choices, else as the environment says."""
    if job is None and compose is not None:
        job, _ = _composed((), compose)
    if job is not None:
        return dict(job["paths"])
    from phmbench import config, resolvers

    said = (config.conf_dir() / "run.yaml").read_text(encoding="utf-8")
    output = re.search(r"^  output: (\S+)", said, re.MULTILINE)
    return {
        "cache": os.environ.get("PHMBENCH_CACHE") or resolvers.user_cache(),
        "data": os.environ.get("PHMBENCH_DATA"),
        **({"output": output[1]} if output else {}),
    }


def _chosen(job: dict[str, Any] | None, is_broken: bool) -> list[Finding]:
    if job is None:
        return []
    if is_broken:
        return [Finding("warning", "choices", "not tried, since packages are broken", "mend these first")]
    from phmbench.doctor import choices

    return guarded("choices", lambda: choices.examine(job))
