"""The error type of the local cluster."""

from __future__ import annotations


class LocalClusterError(Exception):
    """An error the user can act on; the message names state, cause and action, and is printed without a traceback."""
