"""Kubernetes quantities: compared by value, for 1024Mi and 1Gi are the same."""

from __future__ import annotations

import re
from decimal import Decimal

_BINARY = {f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", start=1)}
_DECIMAL = {letter: Decimal(1000) ** power for power, letter in enumerate(("k", "M", "G", "T", "P", "E"), start=1)}
_SUFFIXES = {"": Decimal(1), "m": Decimal("0.001"), **_BINARY, **_DECIMAL}
_FORM = re.compile(r"^([+-]?\d+(?:\.\d+)?)(|m|[KMGTPE]i|[kMGTPE])$")


def as_number(text: str) -> Decimal:
    """The value of a quantity (kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity).

    Raises ValueError for text that is none.
    """
    found = _FORM.match(text)
    if not found:
        raise ValueError(f"{text!r} is not a quantity, like 500m or 1Gi")
    return Decimal(found[1]) * _SUFFIXES[found[2]]
