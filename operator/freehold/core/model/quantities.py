"""Kubernetes quantities and latencies: compared by value, for 1024Mi and 1Gi, or 1000ms and 1s, are the same."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

_BINARY = {f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", start=1)}
_DECIMAL = {letter: Decimal(1000) ** power for power, letter in enumerate(("k", "M", "G", "T", "P", "E"), start=1)}
_SUFFIXES = {"": Decimal(1), "m": Decimal("0.001"), **_BINARY, **_DECIMAL}
_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
}
_DURATION = re.compile(r"^(\d+)(ms|s|min|h)$")
_FORM = re.compile(r"^([+-]?\d+(?:\.\d+)?)(|m|[KMGTPE]i|[kMGTPE])$")


def as_number(text: str) -> Decimal:
    """The value of a quantity (kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity).

    Raises ValueError for text that is none.
    """
    found = _FORM.match(text)
    if not found:
        raise ValueError(f"{text!r} is not a quantity, like 500m or 1Gi")
    return Decimal(found[1]) * _SUFFIXES[found[2]]


def milliseconds(text: str) -> int:
    """The value of a latency, like 250ms or 2s (`api/v1alpha1/grpc.py`, Latency)."""
    return int(text[:-2]) if text.endswith("ms") else int(text[:-1]) * 1000


def duration(text: str) -> timedelta:
    """The value of a time as PostgreSQL writes it, like 500ms, 30s, 5min or 1h (`v1alpha1/database.py`, Duration)."""
    found = _DURATION.match(text)
    if not found:
        raise ValueError(f"{text!r} is not a time, like 30s or 1h")
    return int(found[1]) * _UNITS[found[2]]


def latency(value: int) -> str:
    """A number of milliseconds as it is written in a resource."""
    return f"{value}ms" if value % 1000 else f"{value // 1000}s"


def timestamp(moment: datetime) -> str:
    """A time as the API writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
