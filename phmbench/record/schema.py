"""metrics.json against its JSON schema, which ships with the package (metrics.schema.json).

The part of JSON Schema (draft 2020-12) that our schema uses is read here, so that a run needs no further package; a
test holds it against the package jsonschema.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

from phmbench.errors import RecordError

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "boolean": (bool,), "null": (type(None),),
    "integer": (int,), "number": (int, float),
}  # fmt: skip
_READ = {
    "$schema", "$id", "$defs", "$ref", "title", "description", "type", "required", "properties",
    "additionalProperties", "items", "enum", "const", "minimum",
}  # fmt: skip


@cache
def metrics_schema() -> dict[str, Any]:
    """The schema of metrics.json."""
    text = resources.files("phmbench.record").joinpath("metrics.schema.json").read_text("utf-8")
    return dict(json.loads(text))


def require(result: object, *, name: str = "metrics.json") -> None:
    """Check a result.

    Raises:
        RecordError: lists all that is wrong with it.
    """
    wrong = findings(result, metrics_schema())
    if wrong:
        raise RecordError(
            f"{name}: not a valid result; got " + "; ".join(wrong) + "; expected what "
            "phmbench/record/metrics.schema.json says; build it with phmbench.record.result"
        )


def findings(value: object, schema: dict[str, Any], *, path: str = "result") -> list[str]:
    """All that is wrong with a value, each with its path; empty if it is valid."""
    unread = set(schema) - _READ
    if unread:
        raise ValueError(f"schema: keywords that are not read here; got {sorted(unread)}; expected {sorted(_READ)}")
    if "$ref" in schema:
        return findings(value, metrics_schema()["$defs"][schema["$ref"].removeprefix("#/$defs/")], path=path)
    if "type" in schema and not _is(value, schema["type"]):
        return [f"{path}: {value!r:.60} is not {schema['type']}"]
    if "const" in schema and value != schema["const"]:
        return [f"{path}: {value!r:.60} is not {schema['const']!r}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{path}: {value!r:.60} is none of {schema['enum']}"]
    if "minimum" in schema and isinstance(value, (int, float)) and value < schema["minimum"]:
        return [f"{path}: {value} is below {schema['minimum']}"]
    if isinstance(value, dict):
        return _of_object(value, schema, path)
    if isinstance(value, list) and "items" in schema:
        return [one for i, item in enumerate(value) for one in findings(item, schema["items"], path=f"{path}[{i}]")]
    return []


def _of_object(value: dict[str, Any], schema: dict[str, Any], path: str) -> list[str]:
    wrong = [f"{path}: {key} is missing" for key in schema.get("required", ()) if key not in value]
    known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    for key, item in value.items():
        if key in known:
            wrong += findings(item, known[key], path=f"{path}.{key}")
        elif others is False:
            wrong.append(f"{path}: {key} is unknown")
        elif isinstance(others, dict):
            wrong += findings(item, others, path=f"{path}.{key}")
    return wrong


def _is(value: object, types: str | list[str]) -> bool:
    """JSON's types, where True is no number and 2.0 is an integer."""
    for name in [types] if isinstance(types, str) else types:
        if name == "boolean" or not isinstance(value, bool):
            whole = name == "integer" and isinstance(value, float) and value.is_integer()
            if isinstance(value, _TYPES[name]) or whole:
                return True
    return False
