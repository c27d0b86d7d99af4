"""The Tiltfile as Tilt evaluates it: the same interpreter, and built-ins with the parameters that Tilt documents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlark_go import Starlark, configure_starlark

from hack.generate import ROOT

Given = dict[str, Any]
BUILTINS = Path(__file__).with_name("tilt.star").read_text()


def evaluate(context: str, text: str | None = None) -> list[tuple[str, Given]]:
    """The calls the Tiltfile makes of Tilt when this is kubectl's context, in order, with what they are given."""
    # Tilt lets a Tiltfile assign a name twice and branch at its top level.
    configure_starlark(allow_global_reassign=True)
    starlark = Starlark(globals={"CONTEXT": context, "FILES": dockerfiles()})
    program = text if text is not None else (ROOT / "Tiltfile").read_text()
    # One program: what one `exec` has made, another can no longer change.
    starlark.exec(f"{BUILTINS}\n{program}", filename="tilt.star + Tiltfile")
    return [(made["call"], made["given"]) for made in starlark.eval("calls")]


def dockerfiles() -> dict[str, str]:
    """Path from the project's root → text."""
    files = [ROOT / "operator/Dockerfile", *ROOT.glob("services/*/Dockerfile")]
    return {str(file.relative_to(ROOT)): file.read_text() for file in files}
