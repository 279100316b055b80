"""Who may import whom, read from the source; and what nothing may be called."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "phmbench"
FILES = sorted(path for path in PACKAGE.rglob("*.py") if "conf" not in path.relative_to(PACKAGE).parts)
HEAVY = {"torch", "numpy", "pandas", "scipy", "lightning", "torchmetrics", "matplotlib", "h5py", "pyarrow", "sklearn"}
SMALL = {"annotated_types"}  # besides torch, what networks and losses are built on


def module(file: Path) -> str:
    """Dotted name of a file."""
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(file: Path, *, at_start: bool = False) -> set[str]:
    """Dotted names that a file imports, those for type checking left out; at_start: when it is imported itself."""
    found: set[str] = set()

    def walk(body: list[ast.AST]) -> None:
        for node in body:
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found.update(f"{node.module}.{alias.name}" for alias in node.names)
                found.add(str(node.module))
            elif isinstance(node, ast.ImportFrom):
                raise AssertionError(f"{file}:{node.lineno}: relative import; write phmbench.…")
            elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                walk(list(node.orelse))
            elif not (at_start and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)):
                walk(list(ast.iter_child_nodes(node)))

    walk([ast.parse(file.read_text(encoding="utf-8"))])
    return found


def test_imports_are_found_wherever_they_stand(tmp_path: Path):
    """In functions, branches and classes; those for type checking, and for at_start those of functions, are not."""
    file = tmp_path / "one.py"
    file.write_text(
        "import a.b\nif TYPE_CHECKING:\n    import c\nelse:\n    import d\n"
        "class K:\n    from e import f\n    def g(self):\n        import h\n"
        "try:\n    import i\nexcept E:\n    import j\n"
    )
    assert imports(file) == {"a.b", "d", "e", "e.f", "h", "i", "j"}
    assert imports(file, at_start=True) == {"a.b", "d", "e", "e.f", "i", "j"}


def below(*names: str) -> list[Path]:
    """Files of these modules and packages; each must exist."""
    found = [f for f in FILES if any(module(f) == n or module(f).startswith(f"{n}.") for n in names)]
    for name in names:
        assert any(module(f) == name or module(f).startswith(f"{name}.") for f in found), f"{name}: no such module"
    return found


def tops(names: set[str]) -> set[str]:
    """Packages that are neither ours nor the standard library's."""
    return {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names) - {"phmbench"}


def ours(names: set[str]) -> set[str]:
    """Modules and packages of ours, the shortest names: phmbench.data.store gives phmbench.data."""
    return {".".join(name.split(".")[:2]) for name in names if name.startswith("phmbench.")}


def present(*names: str) -> list[str]:
    """Those packages that there are by now: design.md names more than the first issue makes."""
    return [name for name in names if (PACKAGE / name.replace("phmbench.", "").replace(".", "/")).is_dir()]


NETWORKS = present(
    "phmbench.features",
    "phmbench.models",
    "phmbench.losses",
    "phmbench.algorithms",
    "phmbench.adaptation",
    "phmbench.methods",
)


@pytest.mark.parametrize("file", below(*NETWORKS, "phmbench.heads", "phmbench.network"), ids=module)
def test_networks_and_losses_stand_on_torch_alone(file: Path):
    """Plain modules that can be lifted out: torch, small libraries, each other, and the types of a batch."""
    names = imports(file)
    assert tops(names) <= {"torch", *SMALL}
    allowed = {f"phmbench.{name}" for name in ("types", "network", "heads", "losses", "models", "features")}
    allowed |= {"phmbench.algorithms"} if module(file).startswith("phmbench.adaptation") else set()  # their blocks
    assert ours(names) <= allowed | {".".join(module(file).split(".")[:2])}


@pytest.mark.parametrize("file", below("phmbench.tasks"), ids=module)
def test_tasks_get_their_parts_as_arguments(file: Path):
    names = imports(file)
    assert tops(names) <= {"torch", "lightning", "numpy", *SMALL}
    allowed = ("metrics", "answers", "losses", "tasks", "types", "errors")
    assert ours(names) <= {f"phmbench.{name}" for name in allowed}


@pytest.mark.parametrize("file", below("phmbench.data"), ids=module)
def test_data_meet_torch_in_six_files(file: Path):
    names = imports(file)
    with_torch = ("datamodule", "batches", "episode_batches", "pair_batches", "normalise_torch", "augment")
    if module(file).rpartition(".")[2] not in with_torch:
        assert not tops(names) & {"torch", "lightning", "torchmetrics"}
    bare = {"phmbench.types", "phmbench.errors", "phmbench.config", "phmbench.revolutions"}
    assert ours(names) <= {"phmbench.data", *bare}
    assert "phmbench.config" not in names or module(file) == "phmbench.data.store"


@pytest.mark.parametrize("file", below("phmbench.record"), ids=module)
def test_the_record_can_be_read_without_torch(file: Path):
    names = imports(file)
    assert not tops(names) & {"torch", "lightning", "torchmetrics"}
    assert not ours(names) & {f"phmbench.{name}" for name in ("models", "tasks", "training", "pipelines", "build")}


@pytest.mark.parametrize("file", below("phmbench.leaderboard"), ids=module)
def test_the_leaderboard_reads_records_alone(file: Path):
    """Without torch, and without what has made them."""
    names = imports(file)
    assert not tops(names) & {"torch", "lightning", "torchmetrics", "hydra", "omegaconf"}
    assert ours(names) <= {f"phmbench.{name}" for name in ("leaderboard", "record", "errors")}


EARLY = ["phmbench.entry", "phmbench.cli", "phmbench.config", "phmbench.check", "phmbench.trust", "phmbench.signatures"]
EARLY += [
    "phmbench.syntax",
    "phmbench.lineage",
    "phmbench.options",
    "phmbench.origins",
    "phmbench.command_line",
    "phmbench.messages",
    "phmbench.resolvers",
    "phmbench.overrides",
    "phmbench.types",
    "phmbench.doctor",
]


@pytest.mark.parametrize("file", [PACKAGE / "__init__.py", PACKAGE / "__main__.py", *below(*EARLY)], ids=module)
def test_start_up_imports_nothing_heavy(file: Path):
    """At import; and what the check imports within a function is no more."""
    assert not tops(imports(file, at_start=True)) & HEAVY
    if module(file).startswith("phmbench.check"):
        assert not tops(imports(file)) & HEAVY


@pytest.mark.parametrize("file", FILES, ids=module)
def test_nothing_imports_the_command_line(file: Path):
    if module(file) != "phmbench.entry":
        assert not any(name == "phmbench.cli" or name.startswith("phmbench.cli.") for name in imports(file))


@pytest.mark.parametrize("file", FILES, ids=module)
def test_only_build_makes_objects_from_configurations(file: Path):
    """`instantiate` has one home; and only the command line, the check, build and pipelines see a configuration."""
    names = imports(file)
    assert "hydra.utils.instantiate" not in names or module(file) == "phmbench.build"
    sees = (
        "config",
        "cli",
        "options",
        "overrides",
        "check",
        "build",
        "run",
        "command_line",
        "resolvers",
        "rigs",
        "pipelines",
        "training",
        "record",
        "sweep",
    )
    if "hydra" in tops(names) or "omegaconf" in tops(names):
        assert module(file).split(".")[1] in sees


FORBIDDEN = ("manager", "handler", "engine", "factory", "registry", "wrapper", "utils", "util", "helper", "common")


def definitions(file: Path) -> Iterator[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    kinds = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    yield from (node.name for node in ast.walk(tree) if isinstance(node, kinds))


@pytest.mark.parametrize("file", FILES, ids=module)
def test_words_that_say_nothing_name_nothing(file: Path):
    """Modules, classes and functions; `common` alone is a word of arithmetic (samples that two runs share)."""
    for name in (*file.relative_to(PACKAGE).with_suffix("").parts, *definitions(file)):
        words = {word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)}
        if not (name == "common" and module(file) in ("phmbench.pipelines.evaluate", "phmbench.data.seen")):
            assert not words & {*FORBIDDEN, *(f"{word}s" for word in FORBIDDEN)}, name


def test_a_class_has_one_level_of_inheritance():
    """Among our own classes: a base is never derived itself (a second level wants a reason, which would stand here)."""
    parents: dict[str, list[str]] = {}
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                bases = [ast.unparse(base).split("[")[0] for base in node.bases]
                parents[node.name] = [base.rpartition(".")[2] for base in bases if not base.startswith("nn.")]
    errors = {"PhmbenchError", "DataError"}  # the tree of errors
    reasons = {
        "GeneralisedFewShot": "few-shot with other reports, and nothing else of its own",
        "Adaptation": "classification whose loss sees windows of the target, and nothing else of its own",
    }
    second = [
        f"{name} ← {base} ← {above}"
        for name, bases in parents.items()
        for base in bases
        for above in parents.get(base, [])
        if above in parents and above not in errors and name not in reasons
    ]
    assert second == []
