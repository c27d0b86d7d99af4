"""hack/live: runs a command in a container with live updates."""

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
    """Return the path of the writable copy, which does not exist yet."""
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


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


SERVE = ("sh", "-c", "cd copy && exec sh command with")


@pytest.mark.timeout(20)
def test_restart_and_end_by_signal(copy: Path) -> None:
    """SIGUSR1 restarts the command with changed files, SIGTERM ends it."""
    with live(copy, *SERVE) as process:
        assert line(process) == "with one"
        (copy / "message").write_text("two\n")
        process.send_signal(signal.SIGUSR1)
        assert [line(process), line(process)] == ["ended", "with two"]
        process.send_signal(signal.SIGUSR1)
        assert [line(process), line(process)] == ["ended", "with two"]
        process.terminate()
        assert line(process) == "ended"
        assert process.wait() == 0


@pytest.mark.timeout(20)
def test_failure_status_passed_on(copy: Path) -> None:
    """The status of a failed command is passed on."""
    with live(copy, "sh", "-c", "exit 3") as process:
        assert process.wait() == 3


@pytest.mark.timeout(20)
def test_start_with_image_files(copy: Path) -> None:
    """A start replaces old files by the files of the image."""
    copy.mkdir()
    (copy / "message").write_text("left over\n")
    with live(copy, "cat", "copy/message") as process:
        assert line(process) == "one"
        assert process.wait() == 0
