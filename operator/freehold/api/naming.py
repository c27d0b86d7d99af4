"""The rules for names of services, for the CustomResourceDefinition and for `freehold new`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

LONGEST = 40
PATTERN = "^[a-z]([-a-z0-9]*[a-z0-9])?$"


class Rule(NamedTuple):
    """A rule in CEL and in Python, with the message for a {name} that breaks the rule."""

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
        "metadata.name '{name}' contains '-database', which is reserved for databases; choose another name",
    ),
    Rule(
        "self.metadata.name != 'database'",
        lambda name: name != "database",
        "a service is not named 'database', which is reserved for a consumer's own database; choose another name",
    ),
)


def validations() -> list[tuple[str, str]]:
    """Return the rules with their messages, for `schema.rules`."""
    return [(rule.cel, _message(rule.sentence)) for rule in RULES]


def refusal(name: str) -> str | None:
    """Return the message with which the API server would refuse a name, or None for a valid name."""
    return next((rule.sentence.format(name=name) for rule in RULES if not rule.holds(name)), None)


def _message(sentence: str) -> str:
    """Return a message for CEL: an expression if the name is quoted."""
    quoting = '" + self.metadata.name + "'.join(sentence.split("{name}"))
    return sentence if quoting == sentence else f'="{quoting}"'
