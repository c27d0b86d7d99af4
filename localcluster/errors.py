"""What went wrong, where, and how to put it right, in a sentence the user can act on."""

from __future__ import annotations


class LocalClusterError(Exception):
    """Something the user must know or correct; its text is shown as it is, without a traceback."""
