"""Quantities are compared by value."""

from __future__ import annotations

from decimal import Decimal

import pytest
from freehold.core.model.quantities import as_number


@pytest.mark.parametrize(
    ("one", "same"),
    [
        ("1Gi", "1024Mi"),
        ("1Gi", "1073741824"),
        ("500m", "0.5"),
        ("1G", "1000M"),
        ("1.5Ki", "1536"),
        ("2k", "2000"),
        ("1e9", "1G"),
        ("1E", "1e18"),
        (".5", "500m"),
        ("5.", "5"),
        ("250u", "250e-6"),
        ("7n", "0.007u"),
        ("0.5Gi", "512Mi"),
    ],
)
def test_quantity_equal_by_value(one: str, same: str) -> None:
    """Equal values in different units are equal."""
    assert as_number(one) == as_number(same)


def test_quantity_binary_and_decimal_differ() -> None:
    """Binary and decimal suffixes have different values; m means thousandth."""
    assert as_number("1Gi") > as_number("1G")
    assert as_number("1m") == Decimal("0.001")


@pytest.mark.parametrize("text", ["", "Gi", "1gi", "one", "1 Gi", "1GiB", "--1", "True", ".", "1e3Mi", "1e100"])
def test_quantity_refuses_other_text(text: str) -> None:
    """Text that is no quantity raises ValueError."""
    with pytest.raises(ValueError, match="is not a quantity"):
        as_number(text)
