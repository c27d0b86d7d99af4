"""What the monitors observed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from freehold.core.model.resources import Key, ObservedConnection


@dataclass(frozen=True)
class Findings:
    """Doors that opened and must not have, as sentences: of each service, and of the canaries.

    canaries: how many could be reached, and so tell whether policies are enforced where they stand. connections: those
    of each service whose isolation is Audit that its observers saw.
    """

    breaches: Mapping[Key, tuple[str, ...]] = field(default_factory=dict)
    unenforced: tuple[str, ...] = ()
    canaries: int = 0
    connections: Mapping[Key, tuple[ObservedConnection, ...]] = field(default_factory=dict)
