"""Failures that a person can correct."""

from __future__ import annotations


class Failure(Exception):
    """A request that cannot be carried out. message: one sentence with state, cause and action."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
