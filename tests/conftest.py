"""What all tests share: how hypothesis searches, and the option that rewrites golden files."""

from __future__ import annotations

import pytest
from hypothesis import settings

# The same examples each time, however loaded the machine is: a failure is about the change under test.
settings.register_profile("repeatable", deadline=None, derandomize=True, max_examples=40)
settings.load_profile("repeatable")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write tests/golden/output anew from what is planned")
