"""The program itself: what it loads, and what it says of an environment it cannot use."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner
from freehold.cli.main import freehold


def test_the_operator_loads_nothing_that_only_people_look_at() -> None:
    program = (
        "import sys, freehold.cli.main, freehold.controller.handlers; print([m for m in sys.modules if m == 'rich'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_environment_that_cannot_be_used_is_told_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FREEHOLD_POSTGRESQL_IMAGE", "postgres:15")
    done = CliRunner().invoke(freehold, ["operator"])
    assert done.exit_code == 2
    assert "FREEHOLD_POSTGRESQL_IMAGE is 'postgres:15'; it must contain {version}" in done.stderr
