"""Observations of the monitors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from freehold.core.model.resources import Key, ObservedConnection


@dataclass(frozen=True)
class Findings:
    """The findings of the sentinel, the canaries and the connection observers.

    breaches: messages on unexpectedly reachable ports, by service. unenforced: messages on nodes without enforcement.
    canaries: how many canaries could be reached. connections: the observed connections of services in audit mode.
    """

    breaches: Mapping[Key, tuple[str, ...]] = field(default_factory=dict)
    unenforced: tuple[str, ...] = ()
    canaries: int = 0
    connections: Mapping[Key, tuple[ObservedConnection, ...]] = field(default_factory=dict)
