"""Messages: bounded, without control characters, and lists with a count of the rest."""

from __future__ import annotations

import unicodedata

import pytest
from freehold.core.model import messages
from hypothesis import given
from hypothesis import strategies as st

CONTROLS = ("Cc", "Cs", "Zl", "Zp")
BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("12 of 12 pods → ready, é", "12 of 12 pods → ready, é"),
        ("\x1b[2Jyes", "␛[2Jyes"),
        ("a\r\nb\t\x00\x7f", "a␍␊b␉␀␡"),
        ("\x9b2J", "<U+009B>2J"),
        ("on\u202eoff", "on<U+202E>off"),
        ("\ud800", "<U+D800>"),
        ("\u2028", "<U+2028>"),
    ],
)
def test_visible_marks(text: str, shown: str) -> None:
    """Each control character becomes a mark; all other text stays."""
    assert messages.visible(text) == shown


@given(st.text())
def test_visible_leaves_no_control_character(text: str) -> None:
    """No control, bidirectional, surrogate or separating character is left, and marks stay as they are."""
    shown = messages.visible(text)
    assert not [c for c in shown if unicodedata.category(c) in CONTROLS or c in BIDI]
    assert messages.visible(shown) == shown


@given(
    st.text(st.characters(categories=["L", "So", "Cc"]), max_size=10) | st.text("é\x1b→x", min_size=300, max_size=4000)
)
def test_bounded_length(text: str) -> None:
    """No message exceeds the limit of an Event's note in bytes; a bounded message is not cut again."""
    shown = messages.bounded(text)
    assert len(shown.encode()) <= messages.LIMIT
    assert messages.bounded(shown) == shown


def test_bounded_keeps_both_ends() -> None:
    """The state at the beginning and the action at the end remain."""
    shown = messages.bounded("held back: " + "x" * 100_000 + "; correct the image")
    assert shown.startswith("held back: xxx")
    assert shown.endswith("x; correct the image")


@pytest.mark.parametrize(
    ("items", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a, b"), (["a", "b", "c", "d"], "a, b and 2 more")]
)
def test_listed(items: list[str], text: str) -> None:
    """A list names the first items and counts the rest."""
    assert messages.listed(items, 2) == text
