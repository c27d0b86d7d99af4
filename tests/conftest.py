"""Settings of all tests: hypothesis profile, signals of child processes, and the option that rewrites golden files."""

from __future__ import annotations

import signal

import pytest
from hypothesis import settings

# The same examples in each run, whatever the load of the machine, so that a failure is about the change under test.
settings.register_profile("repeatable", deadline=None, derandomize=True, max_examples=40)
settings.load_profile("repeatable")

# A run in the background of a script ignores SIGINT, and so would its child processes: commands that a test interrupts
# would never end.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write tests/golden/output anew from what is planned")
