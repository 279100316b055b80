"""Assertions of these modules say what they compared."""

import pytest

pytest.register_assert_rewrite("tests.torture.running")
