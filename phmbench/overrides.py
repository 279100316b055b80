"""The words of a command line as Hydra is to see them, and what is wrong with them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

OVERRIDE = re.compile(r"^(?P<prefix>\+\+|\+|~)?(?P<key>[^=@]+)(?P<package>@[^=]*)?(?P<rest>=.*)?$", re.DOTALL)

HYDRA = (
    "hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir", "hydra.searchpath", "hydra.launcher", "hydra.sweeper",
    "hydra.callbacks", "hydra.job.env_set",
)  # fmt: skip
"""Keys of Hydra's that mean something here, or are refused with a reason of their own."""


def read_words(
    words: Sequence[str], known: Mapping[str, Mapping[str, object]], keys: Collection[str] = ()
) -> tuple[list[str], list[str]]:
    """The overrides as Hydra is to see them, and what is wrong with them.

    A value's key is sent as `++key`, so that any parameter of any signature can be set although no YAML lists it: the
    check, not Hydra, refuses unknown keys, and shows all of them at once. Options that do not exist are reported with
    the nearest name and left out, so that the rest can be checked too.

    Args:
        words: as typed.
        known: options by group.
        keys: of the root besides groups; none: they are not looked at.
    """
    good, wrong = [], []
    for word in words:
        match = OVERRIDE.match(word)
        if not match or (match["rest"] is None and match["prefix"] != "~"):
            wrong.append(f"{word}: not understood; expected key=value, such as model=wdcnn or model.width=64")
            continue
        key, rest = match["key"], match["rest"] or ""
        if key in known:
            bad = [no_such_option(key, name, known[key]) for name in chosen(rest[1:]) if name not in known[key]]
            wrong += bad
            if not bad:
                good.append(word)
        elif rest == "={}":
            wrong.append(f"{key}: {{}} is merged and so changes nothing; set each entry to null, as in {key}.NAME=null")
        elif "/" in key and not key.startswith("hydra"):
            wrong.append(f"{key}: no such group; {near(key, known) or 'the groups are ' + ', '.join(known)}")
        elif key.startswith("hydra.") and not key.startswith(HYDRA):
            wrong.append(f"{key}: no such key here; {near(key, HYDRA) or 'of Hydra there are ' + ', '.join(HYDRA)}")
        elif match["prefix"] == "+" and key.rpartition(".")[0] in ("hydra.launcher", "hydra.sweeper"):
            good.append(word[1:])  # a setting that its class does not take: Hydra refuses it without the plus alone
        elif key.startswith("hydra") or match["prefix"] == "~":
            good.append(word)
        elif keys and "." not in key and key not in keys:
            wrong.append(
                _no_such_key(
                    key, rest, list(dict.fromkeys([*keys, *(group for group in known if "/" not in group)])), known
                )
            )
        else:
            good.append(f"++{key}{match['package'] or ''}{rest}")
    return good, wrong


def readable(overrides: Sequence[str]) -> tuple[list[str], list[str]]:
    """The overrides that Hydra's grammar takes, and what is wrong with the others: mostly a value without quotes."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import OverrideParseException

    parser = OverridesParser.create()
    good, wrong = [], []
    for word in overrides:
        try:
            parser.parse_overrides([word])
        except OverrideParseException:
            key, _, value = word.lstrip("+").partition("=")
            wrong.append(
                f"{key}={value}: not understood; got signs that mean something to Hydra; expected text between quotes; "
                f"put the value in quotes: {_quoted(key, value)}"
            )
        else:
            good.append(word)
    return good, wrong


def _quoted(key: str, value: str) -> str:
    """The word as a shell takes it: one kind of quotes for the shell, the other for Hydra."""
    inner = value.replace("'", '"').replace('"', '\\"')
    return f"""\"{key}='{inner}'\"""" if '"' in inner else f"""'{key}="{inner}"'"""


def chosen(value: str) -> list[str]:
    """The option names in `a`, `a,b` (a sweep) and `[a,b]` (several at once); functions are left to Hydra."""
    value = value.strip()
    inner = value[1:-1] if value[:1] == "[" and value[-1:] == "]" else value
    return [] if "(" in value else [name.strip().strip("'\"") for name in inner.split(",")]


def no_such_option(group: str, name: str, options: Iterable[str]) -> str:
    """`model=wdcn: no such option; did you mean 'wdcnn'?`."""
    return f"{group}={name}: no such option; {near(name, options) or 'there are ' + ', '.join(sorted(options))}"


def _no_such_key(key: str, rest: str, keys: Sequence[str], groups: Iterable[str]) -> str:
    """`sampler=random` is short for a group, which Hydra wants whole."""
    whole = next((f"did you mean '{group}{rest}'?" for group in groups if group.endswith(f"/{key}")), "")
    return f"{key}: no such key; got {key!r}; {whole or near(key, keys) or 'there are ' + ', '.join(keys)}"


def near(name: str, names: Iterable[str]) -> str:
    """`did you mean 'x'?`, or nothing."""
    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else ""
