"""Links of Markdown files outside docs/ (`make docs` checks those inside), and the length of the README."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.delivery.documents import ROOT

FILES = sorted(
    [
        *ROOT.glob("*.md"),
        ROOT / "charts/freehold/README.md",
        ROOT / "localcluster/README.md",
    ]
)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(<?([^)\s>]+)>?\)")
CODE = re.compile(r"^ *(```|~~~).*?^ *\1$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
README_LINES = 150


def links(text: str) -> Iterator[str]:
    """Yield the target of each inline link outside code."""
    return (found[1] for found in LINK.finditer(CODE.sub("", text)))


def anchors(text: str) -> set[str]:
    """Return the anchors of all headings, as GitHub makes them: lower case, no punctuation, hyphens for spaces."""
    fenced = re.sub(r"^ *(```|~~~).*?^ *\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#{1,6} +(.+?) *$", fenced, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead(file: Path) -> Iterator[str]:
    """Yield each relative link of a file whose target, or the anchor in it, does not exist."""
    local = (link for link in links(file.read_text()) if not re.match(r"[a-z][a-z0-9+.-]*:", link))
    return (link for link in local if not resolves(file, link))


def resolves(file: Path, link: str) -> bool:
    """Return whether a relative link leads to a file of the repository, and its anchor to a heading."""
    path, _, anchor = link.partition("#")
    target = (file.parent / path).resolve() if path else file
    if not target.is_relative_to(ROOT) or not target.exists():
        return False
    return not anchor or target.suffix != ".md" or anchor in anchors(target.read_text())


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_links_resolve(file: Path) -> None:
    """Each relative link leads to a file of the repository, and its anchor to a heading."""
    assert list(dead(file)) == []


def test_links_dead_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing files, missing anchors and files outside the repository are found; code and addresses are skipped."""
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    file = tmp_path / "README.md"
    (tmp_path / "there.md").write_text("# A `code` heading, and more\n")
    file.write_text(
        "[a](there.md) [b](there.md#a-code-heading-and-more) [c](https://example.com) `[d](gone.md)`\n"
        "[e](gone.md) [f](there.md#gone) [g](../outside.md) [h](#gone)\n```\n[i](gone.md)\n```\n"
    )
    assert list(dead(file)) == ["gone.md", "there.md#gone", "../outside.md", "#gone"]


def test_readme_length() -> None:
    """The README stays short; details are in docs/."""
    assert len((ROOT / "README.md").read_text().splitlines()) <= README_LINES
