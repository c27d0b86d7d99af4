"""Quantities of Kubernetes (k8s.io/apimachinery, resource.Quantity): strings such as 500m or 0.5Gi, and numbers.

Numbers become strings in the models, so that all else sees one form.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from freehold.api.schema import rules

MOST_CHARACTERS = 20
MOST = 10**18
"""The largest number; a larger quantity needs a suffix."""
PATTERN = r"^[+]?([0-9]+[.]?[0-9]*|[.][0-9]+)(n|u|m|[KMGTPE]i|[kMGTPE]|[eE][+-]?[0-9]{1,2})?$"
"""The form of a quantity that is not negative. Kubernetes accepts any exponent."""
_FORM = re.compile(PATTERN)


def _as_text(value: Any) -> str:
    """Return a quantity as a string. Raises ValueError for anything else."""
    text = value
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MOST:
        text = format(Decimal(repr(value)), "f")
    if not isinstance(text, str) or len(text) > MOST_CHARACTERS or not _FORM.fullmatch(text):
        raise ValueError(f"{str(value)[:MOST_CHARACTERS]!r} is not a quantity; write one like 500m, 0.5 or 128Mi")
    return text


Amount = Annotated[
    str,
    BeforeValidator(_as_text),
    # Type `number` and type `string` at once: x-kubernetes-int-or-string refuses fractions such as `cpu: 0.5`, which
    # Kubernetes accepts in pods. Each keyword bounds the values of one type and passes those of other types.
    WithJsonSchema(
        {
            "x-kubernetes-preserve-unknown-fields": True,
            "pattern": PATTERN,
            "maxLength": MOST_CHARACTERS,
            "minimum": 0,
            "maximum": MOST,
            "maxProperties": 0,
            "maxItems": 0,
            "not": {"enum": [{}, [], True, False]},
        }
    ),
]
"""A quantity, zero included, such as 500m, 0.5 or 128Mi."""

Size = Annotated[
    str,
    BeforeValidator(_as_text),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "maxLength": MOST_CHARACTERS,
            **rules(
                (
                    "isQuantity(string(self)) && quantity(string(self)).isGreaterThan(quantity('0'))",
                    "='size ' + string(self) + ' is not a quantity above zero; write one like 10Gi, 0.5Gi or 500M'",
                ),
                (
                    "!isQuantity(string(self)) || quantity(string(self)).compareTo(quantity(string(oldSelf))) >= 0",
                    "='cannot shrink from ' + string(oldSelf) + ' to ' + string(self) + '; a volume only grows'",
                ),
                (
                    "!isQuantity(string(self)) || quantity(string(self)).compareTo(quantity('64Mi')) >= 0",
                    "='size ' + string(self) + ' is less than 64Mi, which an empty database takes'",
                ),
            ),
        }
    ),
]
"""The size of a volume, above zero, such as 1Gi; never less than before."""
