"""What all tests share: how hypothesis searches, the signals of what is started, and the option that rewrites golden
files."""

from __future__ import annotations

import signal

import pytest
from hypothesis import settings

# The same examples each time, however loaded the machine is: a failure is about the change under test.
settings.register_profile("repeatable", deadline=None, derandomize=True, max_examples=40)
settings.load_profile("repeatable")

# A run that a script put into the background ignores SIGINT, and what it starts would too: commands that a test
# interrupts would go on for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write tests/golden/output anew from what is planned")
