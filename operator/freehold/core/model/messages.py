"""Text for people: lists and messages of bounded length, without control characters.

Messages repeat words of tenants, images and other clusters. A message that is too long makes the API server refuse the
whole status or Event, and a control character changes what a terminal shows (CVE-2021-25743).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

LIMIT = 1024
"""The most bytes of a message in UTF-8, as of the note of an Event (events.k8s.io/v1)."""
HEAD, GAP = 700, " […] "
TAIL = LIMIT - HEAD - len(GAP.encode())
CONTROL = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
    r"|[\U000e0000-\U000e007f]"
)
"""Characters of Unicode's categories Cc, Cf, Zl, Zp and Cs that control terminals, hide, or reorder text."""


def visible(text: str) -> str:
    """Return text with a visible mark in place of each control character, such as ␛ or <U+202E>."""
    return CONTROL.sub(lambda found: _mark(ord(found[0])), text)


def visible_lines(text: str) -> str:
    """Return `visible` lines of text: line breaks stay."""
    return "\n".join(map(visible, text.split("\n")))


def _mark(code: int) -> str:
    """Return the mark of a control character: of C0 and DEL, the picture in Unicode's block Control Pictures."""
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"<U+{code:04X}>"


def bounded(text: str) -> str:
    """Return visible text of at most LIMIT bytes; of a longer one the beginning, with the state, and the end, with
    the action."""
    ends = text if len(text) <= 2 * LIMIT else text[:LIMIT] + text[-LIMIT:]
    shown = visible(ends).encode()
    if len(shown) <= LIMIT:
        return shown.decode()
    return f"{shown[:HEAD].decode(errors='ignore')}{GAP}{shown[-TAIL:].decode(errors='ignore')}"


def listed(items: Iterable[str], most: int, separator: str = ", ") -> str:
    """Join the first items, and count the rest: `a, b and 3 more`."""
    known = list(items)
    more = f" and {len(known) - most} more" if len(known) > most else ""
    return separator.join(known[:most]) + more
