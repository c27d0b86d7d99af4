"""hack/live, which runs a command in a container that live update changes."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hack.generate import ROOT

SCRIPT = """\
trap 'echo ended; exit 0' TERM
echo "$1 $(cat message)"
while :; do read -r _ < ready; done
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The folder of files to run from, before anything is in it."""
    (tmp_path / "image").mkdir()
    (tmp_path / "image/message").write_text("one\n")
    (tmp_path / "image/command").write_text(SCRIPT)
    (tmp_path / "image/ready").symlink_to("/dev/null")
    return tmp_path / "copy"


@contextmanager
def live(copy: Path, *command: str) -> Iterator[subprocess.Popen[str]]:
    arguments: list[str | Path] = [ROOT / "hack/live", copy.parent / "image", copy, *command]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=copy.parent) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


SERVE = ("sh", "-c", "cd copy && exec sh command with")


@pytest.mark.timeout(20)
def test_it_runs_the_changed_files_when_told_and_ends_when_told(copy: Path) -> None:
    with live(copy, *SERVE) as process:
        assert said(process) == "with one"
        (copy / "message").write_text("two\n")
        process.send_signal(signal.SIGUSR1)
        assert [said(process), said(process)] == ["ended", "with two"]
        process.send_signal(signal.SIGUSR1)
        assert [said(process), said(process)] == ["ended", "with two"]
        process.terminate()
        assert said(process) == "ended"
        assert process.wait() == 0


@pytest.mark.timeout(20)
def test_a_command_that_fails_ends_the_container_with_its_status(copy: Path) -> None:
    with live(copy, "sh", "-c", "exit 3") as process:
        assert process.wait() == 3


@pytest.mark.timeout(20)
def test_a_restart_begins_with_the_files_of_the_image(copy: Path) -> None:
    copy.mkdir()
    (copy / "message").write_text("left over\n")
    with live(copy, "cat", "copy/message") as process:
        assert said(process) == "one"
        assert process.wait() == 0
