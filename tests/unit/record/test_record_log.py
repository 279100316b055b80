"""log.txt and what it tells of the command."""

import pytest

from phmbench.record import log


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train.py", "data=cwru"], "train.py data=cwru"),
        (["sweep.py", "storage=postgresql://me:secret@host/db"], "sweep.py 'storage=postgresql://me:…@host/db'"),
        (["storage=postgresql://me:a@secret@host/db"], "'storage=postgresql://me:…@host/db'"),
        (["storage=redis://:secret@host"], "'storage=redis://:…@host'"),
        (["storage=postgresql://me@host/db"], "storage=postgresql://me@host/db"),
        (
            ["storage=postgresql://host/db?user=me&password=a@secret&sslmode=on"],
            "'storage=postgresql://host/db?user=me&password=…&sslmode=on'",
        ),
        (["a", "storage=sqlite:///x.db", "b@c"], "a storage=sqlite:///x.db b@c"),
    ],
)
def test_a_command_is_told_without_passwords(words: list[str], said: str):
    assert log.typed(words) == said
    assert "secret" not in log.typed(words)
