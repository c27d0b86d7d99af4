"""The corpus of contract changes: reading the cases, and compiling them with protoc."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc_tools
import yaml
from grpc_tools import protoc

CORPUS = Path(__file__).parent / "corpus"
TABLE = Path(__file__).parent / "CASES.md"
HEAD = """\
# The cases of the corpus

Written by `python -m tests.contracts.cases`; what each holds is in `corpus/`.

| case | verdict | source |
|---|---|---|"""
WELL_KNOWN = Path(grpc_tools.__file__).parent / "_proto"


@dataclass(frozen=True)
class Case:
    """A change of a contract, in the format of the README beside this file."""

    theme: str
    name: str
    source: str
    before: str
    after: str
    breaks: tuple[str, ...]
    uses: tuple[str, ...] | None
    through: tuple[str, ...]
    says: str
    differs: str

    @property
    def id(self) -> str:
        return f"{self.theme}/{self.name}"


def read() -> list[Case]:
    """Return every case of the corpus."""
    themes = {file.stem: yaml.safe_load(file.read_text()) for file in sorted(CORPUS.glob("*.yaml"))}
    return [
        _case(theme, name, told["frame"], one) for theme, told in themes.items() for name, one in told["cases"].items()
    ]


def _case(theme: str, name: str, frame: str, told: dict[str, Any]) -> Case:
    def whole(text: str) -> str:
        return text if text.startswith(("syntax", "edition")) else frame + text

    uses = tuple(told["uses"]) if "uses" in told else None
    known = {"source", "before", "after", "breaks", "uses", "through", "says", "differs"}
    assert told.keys() <= known, f"{theme}/{name}: {told.keys() - known}"
    return Case(
        theme,
        name,
        told["source"],
        whole(told["before"]),
        whole(told["after"]),
        tuple(told["breaks"]),
        uses,
        tuple(told.get("through", uses or ())),
        told.get("says", ""),
        told.get("differs", ""),
    )


def table() -> str:
    """Return CASES.md: each case with its expected result and the rule."""
    lines = [HEAD]
    for case in read():
        verdict = "<br>".join(f"`{one}`" for one in case.breaks) or "compatible"
        uses = "" if case.uses is None else f"<br>for {' and '.join(case.uses) or 'no method'}"
        differs = f"<br>differs: {case.differs}" if case.differs else ""
        lines.append(f"| {case.id} | {verdict}{uses} | {case.source}{differs} |")
    return "\n".join(lines) + "\n"


@cache
def compiled(text: str) -> bytes:
    """Compile a .proto file and its imports to a serialized FileDescriptorSet."""
    with TemporaryDirectory() as folder:
        source, made = Path(folder, "users.proto"), Path(folder, "made")
        source.write_text(text)
        wanted = ["--include_imports", "--experimental_editions", f"--descriptor_set_out={made}", str(source)]
        code = protoc.main(["protoc", f"-I{folder}", f"-I{WELL_KNOWN}", *wanted])
        assert code == 0, f"protoc refuses:\n{text}"
        return made.read_bytes()


if __name__ == "__main__":
    TABLE.write_text(table())
