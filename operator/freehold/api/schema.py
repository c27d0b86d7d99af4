"""What all models of the resource have in common."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


def rules(*pairs: tuple[str, str]) -> dict[str, Any]:
    """CEL validations for a schema; a message that starts with `=` is itself a CEL expression (KEP-2876)."""
    return {
        "x-kubernetes-validations": [
            {
                "rule": rule,
                ("messageExpression" if text.startswith("=") else "message"): text.removeprefix("="),
            }
            for rule, text in pairs
        ]
    }


class Model(BaseModel):
    """Camel-cased outside, snake-cased inside; unknown fields are refused by the API server's strict decoding."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, use_attribute_docstrings=True
    )
