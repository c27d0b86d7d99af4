"""Events: changes that Kubernetes shows beside a resource."""

from __future__ import annotations

from dataclasses import dataclass

from freehold.core.model import messages


@dataclass(frozen=True)
class Event:
    """A change to report as a Kubernetes Event. type: Normal or Warning. note: bounded by `messages.bounded`."""

    type: str
    reason: str
    note: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "note", messages.bounded(self.note))
