"""Python and packages: there, of the right version, and not broken."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from phmbench.doctor import probe as probed
from phmbench.doctor.findings import Finding

PATIENCE_S = 180  # for all imports together
MODULES = {"hydra-core": "hydra", "lightning": "lightning.pytorch", "scikit-learn": "sklearn"}
"""Package → module, where they differ."""
CHECKOUT = Path(__file__).parent.parent.parent
INSTALL = "pip install -c constraints.txt -e ."


class Declared(NamedTuple):
    """What phmbench says it needs."""

    python: str
    needed: list[str]  # "torch>=2.6"
    extras: dict[str, list[str]]
    pins: dict[str, str]  # package → version of constraints.txt; empty where phmbench is installed from a wheel


class Probe(NamedTuple):
    """What a process of its own found."""

    broken: dict[str, str]  # module → why
    devices: dict[str, Any] | None  # of torch; None where it could not be asked


def declared() -> Declared:
    """From pyproject.toml and constraints.txt in a checkout, else from what was installed."""
    project, constraints = CHECKOUT / "pyproject.toml", CHECKOUT / "constraints.txt"
    if project.is_file() and constraints.is_file():
        import tomllib

        said = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
        lines = [line.partition("#")[0].strip() for line in constraints.read_text(encoding="utf-8").splitlines()]
        pins = dict(line.split("==", 1) for line in lines if "==" in line)
        return Declared(said["requires-python"], said["dependencies"], said["optional-dependencies"], pins)
    installed = metadata.metadata("phmbench")
    needed: list[str] = []
    extras: dict[str, list[str]] = {}
    for line in installed.get_all("Requires-Dist") or []:
        requirement, _, marker = line.partition(";")
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)", marker)
        (extras.setdefault(extra[1], []) if extra else needed).append(requirement.strip())
    return Declared(installed["Requires-Python"] or "", needed, extras, {})


def name_of(requirement: str) -> str:
    """`torch` of `torch>=2.6`."""
    return re.split(r"[^\w.-]", requirement.strip(), maxsplit=1)[0]


def version(package: str) -> str | None:
    """As installed; None where it is not."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def probe(modules: list[str]) -> Probe:
    """Import modules in another process, and ask torch for its devices."""
    command = [sys.executable, "-P", str(probed.__file__), *modules]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        out, ended = done.stdout, f"it ended the interpreter (exit code {done.returncode})"
    except subprocess.TimeoutExpired as error:
        out = (error.stdout or b"").decode(errors="replace")
        ended = f"it did not end within {PATIENCE_S} s"
    said = [json.loads(line.removeprefix(probed.MARK)) for line in out.splitlines() if line.startswith(probed.MARK)]
    broken = {str(one["broken"]): str(one["error"]) for one in said if "broken" in one}
    if not any("end" in one for one in said):
        steps = [str(one["step"]) for one in said if "step" in one]
        broken[steps[-1] if steps else "python"] = ended
    return Probe(broken, next((dict(one["devices"]) for one in said if "devices" in one), None))


def examine(said: Declared, found: Probe) -> list[Finding]:
    """Python, what is needed, what is pinned, and extras."""
    return [_python(said), *_needed(said, found), *_pins(said), _extras(said)]


def _python(said: Declared) -> Finding:
    text = f"{platform.python_version()} ({sys.executable})"
    least = re.search(r">=\s*(\d+)\.(\d+)", said.python)
    if least and sys.version_info < (int(least[1]), int(least[2])):
        return Finding(
            "error", "python", f"{text}; expected {said.python}", f"python{least[1]}.{least[2]} -m venv .venv"
        )
    return Finding("ok", "python", text)


def _needed(said: Declared, found: Probe) -> list[Finding]:
    wrong = []
    known: set[str] = set()  # a package that fails as one before it did is not what is broken
    for requirement in said.needed:
        package = name_of(requirement)
        module = MODULES.get(package, package.replace("-", "_"))
        have = version(package)
        if have is None:
            mend = INSTALL if said.pins else f"pip install '{requirement}'"
            wrong.append(Finding("error", "packages", f"{package} is not installed; expected {requirement}", mend))
        elif module in found.broken:
            what = f"{package} {have} cannot be imported: {found.broken[module]}"
            mend = f"pip install --force-reinstall '{package}=={_release(have)}'"
            wrong += [] if found.broken[module] in known else [Finding("error", "packages", what, mend)]
            known.add(found.broken[module])
        elif not _fits(requirement, have):
            what = f"{package} {have}; expected {requirement}"
            wrong.append(Finding("error", "packages", what, INSTALL if said.pins else f"pip install '{requirement}'"))
    if "python" in found.broken:
        wrong.append(Finding("error", "packages", f"none could be imported: {found.broken['python']}", INSTALL))
    return wrong or [Finding("ok", "packages", f"{len(said.needed)} are there, in their ranges, and can be imported")]


def _fits(requirement: str, have: str) -> bool:
    """Whether a version is in the range; where `packaging` itself is missing or a version is odd, it is not known."""
    try:
        from packaging.requirements import Requirement

        return Requirement(requirement).specifier.contains(have, prereleases=True)
    except Exception:
        return True


def _pins(said: Declared) -> list[Finding]:
    """Against constraints.txt, which has what the tests ran with; of what a run needs."""
    needed = [name_of(requirement) for requirement in said.needed]
    pinned = {name: pin for name, pin in said.pins.items() if name in needed}
    other = [
        f"{name} {have} ({pin})" for name, pin in pinned.items() if (have := version(name)) and _release(have) != pin
    ]
    if other:
        text = f"{len(other)} of {len(pinned)} are not as tested: {', '.join(other)}"
        return [Finding("warning", "constraints", text, INSTALL)]
    return [Finding("ok", "constraints", f"{len(pinned)} of {len(pinned)} as tested")] if pinned else []


def _release(have: str) -> str:
    """Without the name of a build: 2.13.0+cpu is 2.13.0."""
    return have.partition("+")[0]


def _extras(said: Declared) -> Finding:
    there = [name for name, needs in said.extras.items() if all(version(name_of(one)) for one in needs)]
    absent = [name for name in said.extras if name not in there]
    text = f"installed: {', '.join(there) or 'none'}" + (f"; not installed: {', '.join(absent)}" if absent else "")
    return Finding("ok", "extras", text)
