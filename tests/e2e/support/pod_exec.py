"""Programs inside pods that run the users service's image: Python, psycopg and gRPC, where that service stands."""

from __future__ import annotations

import subprocess

from tests.e2e.support.cluster import Space

PYTHON = "/opt/users/bin/python"


def python(space: Space, pod: str, program: str, text: str = "") -> str:
    """What a program printed; it must succeed. pod: like `deployment/users`. text: for it to read."""
    return space.kubectl("exec", "-i", pod, "--", PYTHON, "-c", program, text=text).strip()


def started(space: Space, pod: str, program: str) -> subprocess.Popen[str]:
    """A program that goes on, for its caller to read from and to end."""
    return space.begun("exec", "-i", pod, "--", PYTHON, "-c", program)
