"""Run a program of Freehold with the folders of a lab: `elsewhere.py LAB PROGRAM ARGUMENT…`.

With PAUSE_AT=STEP the program pauses after the first line of a step, until a line of input.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path


class Pausing:
    """Standard output that pauses the program at a step."""

    def __init__(self, step: str) -> None:
        self._step, self._to = step, sys.stdout

    def write(self, text: str) -> int:
        written = self._to.write(text)
        if text.startswith(f"{self._step}:"):
            self._to.write("\n")
            self._to.flush()
            sys.stdin.readline()
            self._step = "-"
        return written

    def flush(self) -> None:
        self._to.flush()


def main() -> None:
    lab, program, *sys.argv[1:] = Path(sys.argv[1]), *sys.argv[2:]
    link = import_module("freehold.agents.postgresql.connection")
    link.PASSWORD, link.CA_FILE = lab / "credentials/replicator", lab / "certificate/ca.crt"
    module = import_module(f"freehold.agents.postgresql.{program}")
    for name in ("ANSWER", "PORT", "PROGRESS_PORT", "HELD_SECONDS", "DEADLINE_SECONDS"):
        if name in os.environ and hasattr(module, name):
            setattr(module, name, type(getattr(module, name))(os.environ[name]))
    if step := os.environ.get("PAUSE_AT"):
        sys.stdout = Pausing(step)  # type: ignore[assignment]
    module.main()


if __name__ == "__main__":
    main()
