"""The base of the resource's models."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

QualifiedName = Annotated[str, Field(max_length=317)]
"""The key of a label, or the name of a resource: a prefix of 253 characters, a slash and a name of 63."""
LabelValue = Annotated[str, Field(pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$", max_length=63)]


def rules(*pairs: tuple[str, str]) -> dict[str, Any]:
    """Return CEL validations for a schema from pairs of rule and message.

    A message that starts with `=` is a CEL expression (KEP-2876).
    """
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
    """A model with camel case in YAML and snake case in Python; docstrings of fields become descriptions."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, use_attribute_docstrings=True
    )
