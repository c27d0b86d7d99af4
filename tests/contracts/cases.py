"""The corpus of contract changes: reading of cases, CASES.md, and compilation with protoc."""

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

Written by `python -m tests.contracts.cases` from the cases in `corpus/`.

| case | verdict | source |
|---|---|---|"""
WELL_KNOWN = Path(grpc_tools.__file__).parent / "_proto"


@dataclass(frozen=True)
class Case:
    """A case of the corpus; tests/contracts/README.md describes the fields."""

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
    """Read all cases of the corpus."""
    themes = {file.stem: yaml.safe_load(file.read_text()) for file in sorted(CORPUS.glob("*.yaml"))}
    return [
        _case(theme, name, content["frame"], entry)
        for theme, content in themes.items()
        for name, entry in content["cases"].items()
    ]


def _case(theme: str, name: str, frame: str, entry: dict[str, Any]) -> Case:
    def complete(text: str) -> str:
        return text if text.startswith(("syntax", "edition")) else frame + text

    uses = tuple(entry["uses"]) if "uses" in entry else None
    known = {"source", "before", "after", "breaks", "uses", "through", "says", "differs"}
    assert entry.keys() <= known, f"{theme}/{name}: {entry.keys() - known}"
    return Case(
        theme,
        name,
        entry["source"],
        complete(entry["before"]),
        complete(entry["after"]),
        tuple(entry["breaks"]),
        uses,
        tuple(entry.get("through", uses or ())),
        entry.get("says", ""),
        entry.get("differs", ""),
    )


def table() -> str:
    """The text of CASES.md: each case with the expected verdict and the source."""
    lines = [HEAD]
    for case in read():
        verdict = "<br>".join(f"`{rule}`" for rule in case.breaks) or "compatible"
        uses = "" if case.uses is None else f"<br>for {' and '.join(case.uses) or 'no method'}"
        differs = f"<br>differs: {case.differs}" if case.differs else ""
        lines.append(f"| {case.id} | {verdict}{uses} | {case.source}{differs} |")
    return "\n".join(lines) + "\n"


@cache
def compiled(text: str) -> bytes:
    """Compile a .proto file into a serialized FileDescriptorSet, imports included."""
    with TemporaryDirectory() as folder:
        source, output = Path(folder, "users.proto"), Path(folder, "output")
        source.write_text(text)
        arguments = ["--include_imports", "--experimental_editions", f"--descriptor_set_out={output}", str(source)]
        code = protoc.main(["protoc", f"-I{folder}", f"-I{WELL_KNOWN}", *arguments])
        assert code == 0, f"protoc refuses:\n{text}"
        return output.read_bytes()


if __name__ == "__main__":
    TABLE.write_text(table())
