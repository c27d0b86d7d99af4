"""What a service may be called: said once, for the API server's rules and for `freehold new`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

LONGEST = 40
PATTERN = "^[a-z]([-a-z0-9]*[a-z0-9])?$"


class Rule(NamedTuple):
    """A rule in CEL and in Python, and the sentence that refuses a {name} it does not hold for."""

    cel: str
    holds: Callable[[str], object]
    sentence: str


RULES = (
    Rule(
        f"self.metadata.name.matches('{PATTERN}') && size(self.metadata.name) <= {LONGEST}",
        lambda name: re.fullmatch(PATTERN, name) and len(name) <= LONGEST,
        f"metadata.name '{{name}}' must be at most {LONGEST} lower-case letters, digits and hyphens, "
        "start with a letter and end with a letter or digit; it becomes a DNS name",
    ),
    Rule(
        "!self.metadata.name.contains('-database')",
        lambda name: "-database" not in name,
        "metadata.name '{name}' contains '-database', which names the databases of services",
    ),
    Rule(
        "self.metadata.name != 'database'",
        lambda name: name != "database",
        "a service is not named 'database'; its consumers find their own database under that name",
    ),
)


def validations() -> list[tuple[str, str]]:
    """The rules with their messages, as `rules` in api/base.py takes them."""
    return [(rule.cel, _message(rule.sentence)) for rule in RULES]


def refusal(name: str) -> str | None:
    """The sentence with which the API server would refuse a name; None for one that it takes."""
    return next((rule.sentence.format(name=name) for rule in RULES if not rule.holds(name)), None)


def _message(sentence: str) -> str:
    """A sentence that quotes the name is an expression."""
    quoting = '" + self.metadata.name + "'.join(sentence.split("{name}"))
    return sentence if quoting == sentence else f'="{quoting}"'
