"""Failures that a person can put right."""

from __future__ import annotations

import click


class Failure(click.ClickException):
    """What a command cannot do, and the way out, in one sentence."""

    exit_code = 2
