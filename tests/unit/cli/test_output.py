"""Documents: output that kubectl reads."""

from __future__ import annotations

import pytest
import yaml
from freehold.cli import output
from rich.console import RenderableType
from rich.text import Text
from rich.tree import Tree

from tests.unit.cli.samples import printed


@pytest.mark.parametrize("digest", ["12e45678", "0e1", "007", "-3E+7"])
def test_document_quotes_digests_like_numbers(digest: str) -> None:
    """kubectl reads YAML 1.2, in which an unquoted digest such as 12e45678 is a number."""
    text = output.document({"digest": digest}, "yaml")
    assert text == f"digest: '{digest}'", "kubectl reads YAML 1.2, in which the digest is a number"
    assert yaml.safe_load(text) == {"digest": digest}


HOSTILE = "x\x1b]52;c;ZXZpbA==\x1b\\\x9b2Jy\u202ees\x07"
SHOWN = "x␛]52;c;ZXZpbA==␛\\<U+009B>2Jy<U+202E>es␇"


def tree() -> Tree:
    root = Tree(HOSTILE)
    root.add(Text(HOSTILE, "red"))
    return root


@pytest.mark.parametrize(
    "part",
    [HOSTILE, Text(HOSTILE, "bold"), Text.assemble(("yes ", "green"), HOSTILE), tree(), output.table([HOSTILE], [])],
)
def test_terminal_shows_control_characters(part: RenderableType) -> None:
    """No part of the output passes a control character of the cluster on to the terminal (CVE-2021-25743)."""
    shown = printed([part])
    assert shown.replace("\n", "").isprintable()
    assert "␛]52;c;ZXZpbA==␛" in shown


def test_table_cells_forge_no_row() -> None:
    """A cell stays in its row and column, whatever characters it has."""
    rows = [[f"a\nb{HOSTILE}", "no"], ["c", "yes"]]
    assert printed([output.table(["NAME", "READY"], rows)]).splitlines() == [
        f"NAME{' ' * (len(SHOWN) + 2)}READY",
        f"a␊b{SHOWN}   no",
        f"c{' ' * (len(SHOWN) + 5)}yes",
    ]


def test_notes_and_lines_show_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    """Notes and plain lines have marks as well."""
    output.note(HOSTILE)
    output.plain(HOSTILE, "second")
    assert capsys.readouterr() == (f"{SHOWN}\nsecond\n", f"Note: {SHOWN}\n")


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_document_escapes_control_characters(form: str) -> None:
    """A document has the same content for a program, and no control character for a terminal."""
    content = {"image": HOSTILE, HOSTILE: "é → ✓", "lines": "a\nb\n", "plain": "a\u200bb"}
    text = output.document(content, form)
    assert text.replace("\n", "").isprintable()
    assert yaml.safe_load(text) == content
    assert "é → ✓" in text
