"""Conditions of a Microservice, their reasons, and Events."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from freehold.core.model import messages
from freehold.core.model.reasons import Reason as Reason


class State(StrEnum):
    """The status of a condition: FALSE needs an action; UNKNOWN is in progress and ends without action."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Type(StrEnum):
    """The condition types, in the order of status.conditions. Each docstring is the reference text."""

    READY = "Ready"
    """All other conditions that count are met; otherwise the first condition that needs attention."""
    DEPENDENCIES_RESOLVED = "DependenciesResolved"
    """Every consumed service exists, has a gRPC endpoint and admits the service."""
    ISOLATION_ENFORCED = "IsolationEnforced"
    """Network policies of the service exist."""
    PATHS_WITHIN_BUDGET = "PathsWithinBudget"
    """Latency budgets along the declared calls fit into each other; does not affect Ready."""
    ISOLATION_VERIFIED = "IsolationVerified"
    """Connection attempts found every port open or closed as declared."""
    CREDENTIALS_READY = "CredentialsReady"
    """The Secrets with the credentials of the database exist."""
    CERTIFICATES_READY = "CertificatesReady"
    """The certificates of the service and its database are issued and valid."""
    DATABASE_READY = "DatabaseReady"
    """The database server accepts connections."""
    RELOCATED = "Relocated"
    """The move of the service or its data is complete; does not affect Ready."""
    CONTRACT_PUBLISHED = "ContractPublished"
    """The contract of the service's image is known and compatible with the consumers' calls."""
    MIGRATIONS_APPLIED = "MigrationsApplied"
    """The schema is up to date with the image."""
    ENDPOINT_READY = "EndpointReady"
    """The service's pods serve, or the service's name leads to serving pods elsewhere."""
    EXPOSED = "Exposed"
    """A Gateway routes calls from outside the cluster to the service."""


NOT_BLOCKING = frozenset({Type.PATHS_WITHIN_BUDGET, Type.RELOCATED})
"""Types that never affect Ready."""
NOT_BLOCKING_REASONS = {Reason.AUDIT, Reason.CONTRACT_UNREADABLE, Reason.CONTRACT_INVALID, Reason.CONTRACT_TOO_LARGE}
"""Reasons of conditions that are False and do not affect Ready."""
BACKGROUND = frozenset({Type.ISOLATION_VERIFIED, Type.CONTRACT_PUBLISHED})
"""Types that do not affect Ready while their status is Unknown, or while their own pods are refused."""


@dataclass(frozen=True)
class Condition:
    """A condition of the status. message: state, cause and action, for people; bounded by `messages.bounded`."""

    type: Type
    state: State
    reason: Reason
    message: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", messages.bounded(self.message))


def blocks_ready(condition: Condition) -> bool:
    """Return whether Ready depends on a condition."""
    refused = condition.reason is Reason.REFUSED_BY_ADMISSION
    aside = condition.type in BACKGROUND and (refused or condition.state is State.UNKNOWN)
    return not (aside or condition.type in NOT_BLOCKING or condition.reason in NOT_BLOCKING_REASONS)
