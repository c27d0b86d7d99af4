"""Evaluation of the Tiltfile by Tilt's interpreter, with built-ins that record their calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlark_go import Starlark, configure_starlark

from hack.generate import ROOT

Given = dict[str, Any]
BUILTINS = Path(__file__).with_name("tilt.star").read_text()


def evaluate(context: str, text: str | None = None) -> list[tuple[str, Given]]:
    """Return the Tiltfile's calls of built-ins in order, with their arguments, for a context of kubectl."""
    # Tilt lets a Tiltfile assign a name twice and branch at its top level.
    configure_starlark(allow_global_reassign=True)
    starlark = Starlark(globals={"CONTEXT": context, "FILES": dockerfiles()})
    program = text if text is not None else (ROOT / "Tiltfile").read_text()
    # A single program, since values of an `exec` are frozen for the next.
    starlark.exec(f"{BUILTINS}\n{program}", filename="tilt.star + Tiltfile")
    return [(made["call"], made["given"]) for made in starlark.eval("calls")]


def dockerfiles() -> dict[str, str]:
    """Return the text of each Dockerfile by relative path."""
    files = [ROOT / "operator/Dockerfile", *ROOT.glob("services/*/Dockerfile")]
    return {str(file.relative_to(ROOT)): file.read_text() for file in files}
