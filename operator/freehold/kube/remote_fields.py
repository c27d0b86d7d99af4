"""The types of the fields of a remote cluster's records: bounded, and of printable characters."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from freehold.core.model.quantities import as_number

LONGEST_TEXT = 400


def _shortened(value: object) -> object:
    """Return a text cut to LONGEST_TEXT, with a question mark in place of each character that is not printable."""
    if not isinstance(value, str):
        return value
    return "".join(letter if letter.isprintable() else "?" for letter in value[:LONGEST_TEXT])


def _moment(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("has no time zone")
    return text


def quantity(text: str) -> str:
    """Return a quantity unchanged. Raises ValueError for other text."""
    as_number(text)
    return text


def _base64_text(text: str) -> str:
    if "\0" in base64.b64decode(text, validate=True).decode():
        raise ValueError("has a zero byte")
    return text


Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")]
LabelValue = Annotated[str, Field(pattern=r"^[-A-Za-z0-9_.]{0,63}$")]
LabelKey = Annotated[str, Field(pattern=r"^[-A-Za-z0-9_./]{1,317}$")]
Namespace = Annotated[str, Field(pattern=r"^[-a-z0-9]{0,63}(@[-a-z0-9]{1,63})?$")]
Uid = Annotated[str, Field(pattern=r"^[-A-Za-z0-9]{1,64}$")]
Word = Annotated[str, Field(pattern=r"^[!-~]{0,300}$")]
Text = Annotated[str, BeforeValidator(_shortened)]
Digits = Annotated[str, Field(pattern=r"^[0-9]{1,9}$")]
Version = Annotated[str, Field(pattern=r"^[0-9]{1,19}$")]
Count = Annotated[int, Field(ge=0, le=2**53)]
Moment = Annotated[str, Field(max_length=40), AfterValidator(_moment)]
Quantity = Annotated[str, Field(max_length=32), AfterValidator(quantity)]
Encoded = Annotated[str, Field(max_length=131072), AfterValidator(_base64_text)]
