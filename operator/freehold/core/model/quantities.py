"""Kubernetes quantities, latencies and times. Quantities are compared by value: 1024Mi equals 1Gi."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

_BINARY = {f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", start=1)}
_DECIMAL = {letter: Decimal(1000) ** power for power, letter in enumerate(("k", "M", "G", "T", "P", "E"), start=1)}
_FRACTIONS = {letter: Decimal(1000) ** -power for power, letter in enumerate(("m", "u", "n"), start=1)}
_SUFFIXES = {"": Decimal(1), **_FRACTIONS, **_BINARY, **_DECIMAL}
_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
}
_DURATION = re.compile(r"^(\d+)(ms|s|min|h)$")
_FORM = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(|[num]|[KMGTPE]i|[kMGTPE]|[eE][+-]?[0-9]{1,2})")


def as_number(text: str) -> Decimal:
    """Return the value of a quantity (kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity).

    Raises ValueError for other text.
    """
    match = _FORM.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is not a quantity, like 500m or 1Gi")
    number, suffix = match.groups()
    return Decimal(number) * _SUFFIXES[suffix] if suffix in _SUFFIXES else Decimal(number + suffix)


def milliseconds(text: str) -> int:
    """Return the value of a latency, like 250ms or 2s (`api/v1alpha1/grpc.py`, Latency)."""
    return int(text[:-2]) if text.endswith("ms") else int(text[:-1]) * 1000


def duration(text: str) -> timedelta:
    """Return a time in PostgreSQL's notation, like 500ms, 30s, 5min or 1h (`api/v1alpha1/database.py`, Duration)."""
    match = _DURATION.match(text)
    if not match:
        raise ValueError(f"{text!r} is not a time, like 30s or 1h")
    return int(match[1]) * _UNITS[match[2]]


def latency(value: int) -> str:
    """Return milliseconds in the notation of a resource, like 250ms or 2s."""
    return f"{value}ms" if value % 1000 else f"{value // 1000}s"


def timestamp(moment: datetime) -> str:
    """Return a time in the notation of the Kubernetes API (RFC 3339, UTC, seconds)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
