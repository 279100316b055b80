"""Values against annotations: what is read from source agrees with what Python's own typing says at run time."""

import ast
import math
import types
import typing
from collections.abc import Mapping, Sequence

import annotated_types
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phmbench.check.values import Scope, accepts
from phmbench.check.words import describe, show
from phmbench.syntax import Import, Module

NAMES = {
    "Annotated": "typing",
    "Literal": "typing",
    "Optional": "typing",
    "Union": "typing",
    "Sequence": "collections.abc",
    "Mapping": "collections.abc",
    "Ge": "annotated_types",
    "Gt": "annotated_types",
    "Le": "annotated_types",
    "Lt": "annotated_types",
    "MultipleOf": "annotated_types",
    "Interval": "annotated_types",
    "Len": "annotated_types",
    "Callable": "collections.abc",
    "Any": "typing",
}
HERE = Module("here", "", False, {name: Import(module, name) for name, module in NAMES.items()}, ())
SCOPE = Scope(HERE, finite=False)


def read(text):
    return ast.parse(text, mode="eval").body


simple = st.sampled_from(["int", "float", "bool", "str", "None", "Literal['a', 1, True]", "Literal[0, None]"])
ranged = st.builds(
    lambda kind, mark, limit: f"Annotated[{kind}, {mark}({limit})]",
    st.sampled_from(["int", "float"]),
    st.sampled_from(["Ge", "Gt", "Le", "Lt"]),
    st.sampled_from(["-1", "0", "0.5", "2"]),
)
annotations = st.recursive(
    simple | ranged,
    lambda inner: st.one_of(
        st.builds("{} | {}".format, st.sampled_from(["int", "bool", "float"]), st.sampled_from(["None", "int", "str"])),
        st.builds("Union[{}, {}]".format, inner, inner),
        st.builds("Optional[{}]".format, inner),
        st.builds("Sequence[{}]".format, inner),
        st.builds("list[{}]".format, inner),
        st.builds("tuple[{}, ...]".format, inner),
        st.builds("tuple[{}, {}]".format, inner, inner),
        st.builds("Mapping[str, {}]".format, inner),
    ),
    max_leaves=5,
)
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([-1.0, 0.0, 0.5, 2.5, math.inf])
    | st.sampled_from("ab"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xy"), inner, max_size=2),
    max_leaves=4,
)


def fits(value, kind):
    """The same by the evaluated annotation: an independent reading, for the kinds that are generated here."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        bounds = {
            annotated_types.Ge: lambda m: value >= m.ge,
            annotated_types.Gt: lambda m: value > m.gt,
            annotated_types.Le: lambda m: value <= m.le,
            annotated_types.Lt: lambda m: value < m.lt,
        }
        return fits(value, inner[0]) and all(bounds[type(m)](m) for m in kind.__metadata__)
    if origin is typing.Literal:
        return any(type(value) is type(choice) and value == choice for choice in inner)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, one) for one in inner)
    if origin is tuple and inner[-1] is not Ellipsis:
        return isinstance(value, list) and len(value) == len(inner) and all(map(fits, value, inner))
    if origin in (list, tuple, Sequence):
        return isinstance(value, list) and all(fits(v, inner[0]) for v in value)
    if origin is Mapping:
        return isinstance(value, dict) and all(fits(v, inner[1]) for v in value.values())
    if kind in (None, type(None)):
        return value is None
    if kind is float:
        return type(value) in (int, float)
    return type(value) is kind


@settings(max_examples=300, deadline=None)
@given(annotations, plain)
def test_reading_agrees_with_python(text, value):
    namespace = {name: getattr(typing, name) for name in ("Annotated", "Literal", "Optional", "Union")}
    namespace |= {"Sequence": Sequence, "Mapping": Mapping, **vars(annotated_types)}
    assert accepts(value, read(text), SCOPE) is fits(value, eval(text, namespace))


@given(annotations)
def test_every_annotation_has_words(text):
    said = describe(read(text), SCOPE)
    assert said
    assert "typing" not in said
    assert "Annotated" not in said


@pytest.mark.parametrize(
    ("text", "value", "verdict"),
    [
        ("'int | None'", 3, True),
        ("'int |'", 3, None),  # no expression
        ("Nowhere", 3, None),
        ("Callable[[int], int]", {"_target_": "a.b"}, True),
        ("Callable[[int], int]", 3, False),
        ("list", "ab", False),
        ("list", [1], True),
        ("dict", {"a": 1}, True),
        ("Sequence[int]", {"_target_": "a.b"}, None),
        ("Mapping[str, int]", {"_target_": "a.b"}, None),
        ("Annotated[int, 'in samples', Ge(1)]", 0, False),
        ("Annotated[int, Unheard(1)]", 1, None),
        ("Annotated[int, Unheard(1)]", "x", False),
        ("Annotated[int, Ge(LIMIT)]", 1, None),
        ("Annotated[list[int], Len(2, 3)]", [1], False),
        ("Annotated[list[int], Len(2, 3)]", [1, 2], True),
        ("Annotated[float, Interval(gt=0, le=1)]", 1, True),
        ("Annotated[float, Interval(gt=0, le=1)]", 0, False),
        ("Annotated[int | None, Ge(1)]", None, True),
        ("tuple[()]", [], True),
        ("type[int]", "int", None),
        ("Any", object(), True),
        ("x + y", 3, None),
    ],
)
def test_corners(text, value, verdict):
    assert accepts(value, read(text), SCOPE) is verdict


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_numbers_are_finite_unless_said_otherwise(value):
    assert accepts(value, read("float"), Scope(HERE)) is False
    assert accepts(value, read("float"), SCOPE) is True
    assert accepts(value, read("Annotated[float, Ge(0)]"), SCOPE) is (value == math.inf)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "null"),
        (True, "true"),
        (0, "0"),
        ("a", "'a'"),
        ({}, "a mapping with nothing"),
        ({"a": 1, "b": 2, "c": 3, "d": 4}, "a mapping with a, b, c"),
        ({"_target_": "x.Y"}, "a node (x.Y)"),
        ("x" * 100, "'" + "x" * 56 + "…"),
    ],
)
def test_values_in_words(value, said):
    assert show(value) == said
