"""Python programs inside pods of the users image, which has psycopg and gRPC."""

from __future__ import annotations

import subprocess

from tests.e2e.support.cluster import Space

PYTHON = "/opt/users/bin/python"


def python(space: Space, pod: str, program: str, text: str = "") -> str:
    """Return the output of a program, which must succeed. pod: like `deployment/users`. text: the program's input."""
    return space.kubectl("exec", "-i", pod, "--", PYTHON, "-c", program, text=text).strip()


def started(space: Space, pod: str, program: str) -> subprocess.Popen[str]:
    """Start a program in the background; the caller reads from the process and ends it."""
    return space.begun("exec", "-i", pod, "--", PYTHON, "-c", program)
