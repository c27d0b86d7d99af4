"""Runs short commands of the machine and reports failures with their output."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from .errors import LocalClusterError


def run(
    argv: Sequence[str | Path],
    *,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 60,
) -> str:
    """Run a command and return its standard output; raise LocalClusterError with the end of its output on failure."""
    shown = " ".join(map(str, argv))
    try:
        done = subprocess.run(
            [str(word) for word in argv],
            input=stdin,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
    except FileNotFoundError as error:
        raise LocalClusterError(f"{argv[0]} is not installed; needed for: {shown}") from error
    except subprocess.TimeoutExpired as error:
        raise LocalClusterError(f"timed out after {timeout:.0f} s: {shown}") from error
    if done.returncode:
        output = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise LocalClusterError(f"exit code {done.returncode} from: {shown}\n{output}")
    return done.stdout


def succeeds(argv: Sequence[str | Path]) -> bool:
    """Whether a read-only command exits with code 0."""
    try:
        run(argv)
    except LocalClusterError:
        return False
    return True
