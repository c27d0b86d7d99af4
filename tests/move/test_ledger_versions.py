"""The ledger with the versions of PostgreSQL of newer Debian releases; `pytest -m campaign tests/move` runs it.

Version 15 is that of Debian bookworm, where test_ledger itself runs. No release of Debian has version 16.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.move.machine import ROOT, roomy_folder
from tests.move.versions import fetched, unpacked

SECONDS = 1800


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the servers' user can read, as the cache of root need not be."""
    made = Path(tempfile.mkdtemp(prefix="postgresql-", dir=roomy_folder()))
    made.chmod(0o755)
    try:
        yield made
    finally:
        shutil.rmtree(made)


@pytest.mark.campaign
@pytest.mark.timeout(2 * SECONDS)
@pytest.mark.parametrize(("version", "suite"), [("17", "trixie"), ("18", "forky")])
def test_ledger_version(folder: Path, version: str, suite: str) -> None:
    """Every test of the ledger passes with this version."""
    programs = unpacked(fetched(version, suite), version, folder)
    found = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    assert found.startswith(f"postgres (PostgreSQL) {version}")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/move/test_ledger.py"],
        env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert not done.returncode, f"PostgreSQL {version}:\n{done.stdout}{done.stderr}"
