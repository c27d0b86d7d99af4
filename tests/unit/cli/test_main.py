"""The program: its imports, its errors, and its commands."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner
from freehold.cli.main import freehold


def test_operator_imports_no_terminal_library() -> None:
    """The operator's process loads nothing of the code for people."""
    program = (
        "import sys, freehold.cli.main, freehold.controller.handlers;"
        "print([m for m in sys.modules if m == 'rich' or m.startswith('freehold.cli.commands.')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_operator_environment_invalid(monkeypatch: pytest.MonkeyPatch) -> None:
    """An invalid variable is reported in one sentence with exit code 2."""
    monkeypatch.setenv("FREEHOLD_POSTGRESQL_IMAGE", "postgres:15")
    done = CliRunner().invoke(freehold, ["operator"])
    assert done.exit_code == 2
    assert "FREEHOLD_POSTGRESQL_IMAGE is 'postgres:15'; it must contain {version}" in done.stderr


def test_help_of_every_command_and_option() -> None:
    """Every command has a help text, and every option explains itself."""
    commands = [freehold]
    for command in commands:  # grows by the commands of each group
        commands.extend(command.commands.values() if isinstance(command, click.Group) else [])
        assert command.help, command.name
        options = [option for option in command.params if isinstance(option, click.Option)]
        assert [option.name for option in options if not option.help] == [], command.name
    assert {"move", "cluster", "link", "diff"} <= {command.name for command in commands}
