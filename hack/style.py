"""Checks of style without a rule in ruff. `python -m hack.style` prints each finding; exit code 1 on any finding.

- No source file has more than 250 lines, and no Python function more than 40.
- In docstrings, pronouns and other words without a meaning of their own are rare.
- Words replaced by docs/glossary.md do not come back.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILE_LINES, FUNCTION_LINES = 250, 40
SOURCES = (".py", ".go", ".java", ".ts", ".sh", ".sql")
GENERATED = re.compile(r"_pb2|\.pb\.go$|/gen/")
POINTERS = frozenset(
    """here it its one ones said say says so stand stands such that there these thing things this those what which
    who whom whose""".split()  # noqa: SIM905 - one word after another reads as a list of 25 strings does not
)
POINTER_SHARE = 0.06
"""Of all words in the docstrings of a part of the project; kopf has 5.1 %, Patroni 3.1 %."""
PARTS = ("operator/freehold", "localcluster", "hack", "benchmarks", "tests")
RETIRED = re.compile(r"seat|mover|whereabouts|parting|abroad|neighbour|\bdoor", re.IGNORECASE)
RETIRED_IN = (
    "operator",
    "charts",
    "manifests",
    "docs",
    "README.md",
    "ARCHITECTURE.md",
    "tests",
    "benchmarks",
    "localcluster",
    "services",
)
"""Without hack, which contains the pattern."""
Function = ast.FunctionDef | ast.AsyncFunctionDef


def main() -> int:
    files = _tracked()
    findings = [*_long_files(files), *_long_functions(files), *_pointers(files), *_retired(files)]
    print("\n".join(findings), end="\n" if findings else "")
    return 1 if findings else 0


def _tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file()]


def _long_files(files: list[Path]) -> Iterator[str]:
    for file in files:
        if file.suffix in SOURCES and not GENERATED.search(str(file)):
            count = len((ROOT / file).read_text().splitlines())
            if count > FILE_LINES:
                yield f"{file}: {count} lines, {FILE_LINES} at most; split the file"


def _long_functions(files: list[Path]) -> Iterator[str]:
    for file in _python(files):
        for node in ast.walk(_parsed(file)):
            if isinstance(node, Function) and node.end_lineno and node.end_lineno - node.lineno >= FUNCTION_LINES:
                yield f"{file}:{node.lineno}: {node.name} has over {FUNCTION_LINES} lines; split the function"


def _pointers(files: list[Path]) -> Iterator[str]:
    for part in PARTS:
        words = [word for file in _python(files) if file.is_relative_to(part) for word in _docstring_words(file)]
        share = sum(word in POINTERS for word in words) / max(len(words), 1)
        if share >= POINTER_SHARE:
            yield f"{part}: {share:.1%} of the words in docstrings point without naming; {POINTER_SHARE:.0%} at most"


def _docstring_words(file: Path) -> Iterator[str]:
    documented = (ast.Module, ast.ClassDef, *Function.__args__)
    for node in ast.walk(_parsed(file)):
        text = ast.get_docstring(node) if isinstance(node, documented) else None
        yield from re.findall(r"[a-z']+", (text or "").lower())


def _retired(files: list[Path]) -> Iterator[str]:
    for file in files:
        if any(file.is_relative_to(part) for part in RETIRED_IN) and file.suffix != ".lock":
            for number, line in enumerate((ROOT / file).read_text().splitlines(), start=1):
                if found := RETIRED.search(line):
                    yield f"{file}:{number}: {found[0]!r} is retired; docs/glossary.md has the word to use"


def _python(files: list[Path]) -> Iterator[Path]:
    return (file for file in files if file.suffix == ".py" and not GENERATED.search(str(file)))


def _parsed(file: Path) -> ast.Module:
    return ast.parse((ROOT / file).read_text(), str(file))


if __name__ == "__main__":
    sys.exit(main())
