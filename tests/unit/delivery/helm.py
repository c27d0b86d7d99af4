"""The chart as Helm renders it."""

from __future__ import annotations

import subprocess
from typing import Any

import yaml

from hack.generate import CHART, NAMESPACE, helm

Object = dict[str, Any]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Helm, without a check of the exit code."""
    return subprocess.run([helm(), *arguments], capture_output=True, text=True, check=False)


def template(*settings: str, release: str = "freehold", **more: str) -> subprocess.CompletedProcess[str]:
    """Run `helm template` with `--set` for each setting, and further flags by name."""
    flags = [part for key, value in more.items() for part in (f"--{key.replace('_', '-')}", value)]
    sets = [part for setting in settings for part in ("--set", setting)]
    return run("template", release, str(CHART), "--namespace", NAMESPACE, *flags, *sets)


def render(*settings: str, release: str = "freehold", **more: str) -> list[Object]:
    """Return the objects of a release."""
    done = template(*settings, release=release, **more)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def of_kind(objects: list[Object], kind: str) -> list[Object]:
    return [body for body in objects if body["kind"] == kind]


def the(objects: list[Object], kind: str, name: str = "freehold") -> Object:
    """Return the object of a kind and name."""
    (found,) = [body for body in of_kind(objects, kind) if body["metadata"]["name"] == name]
    return found
