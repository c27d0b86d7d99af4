"""Quantities are compared by what they are worth."""

from __future__ import annotations

from decimal import Decimal

import pytest
from freehold.core.model.quantities import as_number


@pytest.mark.parametrize(
    ("one", "same"),
    [("1Gi", "1024Mi"), ("1Gi", "1073741824"), ("500m", "0.5"), ("1G", "1000M"), ("1.5Ki", "1536"), ("2k", "2000")],
)
def test_the_same_in_other_words(one: str, same: str) -> None:
    assert as_number(one) == as_number(same)


def test_binary_and_decimal_differ() -> None:
    assert as_number("1Gi") > as_number("1G")
    assert as_number("1m") == Decimal("0.001")


@pytest.mark.parametrize("text", ["", "Gi", "1gi", "one", "1 Gi", "1GiB", "--1", "True"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        as_number(text)
