"""What can be said of a service: conditions, the reasons they give, and events."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Of a condition. FALSE needs somebody; UNKNOWN is under way and passes by itself."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Type(StrEnum):
    """The conditions a Microservice can have, in the order they are shown."""

    READY = "Ready"
    DEPENDENCIES_RESOLVED = "DependenciesResolved"
    ISOLATION_ENFORCED = "IsolationEnforced"
    PATHS_WITHIN_BUDGET = "PathsWithinBudget"
    ISOLATION_VERIFIED = "IsolationVerified"
    CREDENTIALS_READY = "CredentialsReady"
    CERTIFICATES_READY = "CertificatesReady"
    DATABASE_READY = "DatabaseReady"
    RELOCATED = "Relocated"
    CONTRACT_PUBLISHED = "ContractPublished"
    MIGRATIONS_APPLIED = "MigrationsApplied"
    ENDPOINT_READY = "EndpointReady"
    EXPOSED = "Exposed"


class Reason(StrEnum):
    """Every reason a condition can give; programs may rely on them."""

    # under way
    STARTING = "Starting"
    ROLLING_OUT = "RollingOut"
    MIGRATING = "Migrating"
    WAITING_FOR_DATABASE = "WaitingForDatabase"
    WAITING_FOR_MIGRATIONS = "WaitingForMigrations"
    WAITING_FOR_GATEWAY = "WaitingForGateway"
    VOLUME_PENDING = "VolumePending"
    NOT_PROBED_YET = "NotProbedYet"
    PROBING = "Probing"
    PROBE_FAILED = "ProbeFailed"
    UNREACHABLE = "Unreachable"
    INITIAL_COPY = "InitialCopy"
    CATCHING_UP = "CatchingUp"
    MOVING_PODS = "MovingPods"
    REDIRECTING_ENDPOINT = "RedirectingEndpoint"
    SWITCHING_OVER = "SwitchingOver"
    MOVE_PAUSED = "MovePaused"
    WAITING_FOR_CONSENT = "WaitingForConsent"
    READING_CONTRACT = "ReadingContract"
    CONTRACT_NOT_READ = "ContractNotRead"
    # well
    READY = "Ready"
    AVAILABLE = "Available"
    APPLIED = "Applied"
    IN_USE = "InUse"
    ISSUED = "Issued"
    RESOLVED = "Resolved"
    NONE_DECLARED = "NoneDeclared"
    WITHIN_BUDGET = "WithinBudget"
    TOO_MANY_HOPS = "TooManyHops"
    POLICIES_APPLIED = "PoliciesApplied"
    POLICIES_ENFORCED = "PoliciesEnforced"
    VERIFIED = "Verified"
    PUBLISHED = "Published"
    CONTRACT_ACCEPTED = "ContractAccepted"
    RELOCATED = "Relocated"
    AT_DESTINATION = "AtDestination"
    SCALED_TO_ZERO = "ScaledToZero"
    ROUTED = "Routed"
    REDIRECTED = "Redirected"
    # needs somebody
    AUDIT = "Audit"
    POLICIES_NOT_ENFORCED = "PoliciesNotEnforced"
    UNEXPECTEDLY_REACHABLE = "UnexpectedlyReachable"
    MISMATCH = "Mismatch"
    STORAGE_CLASS_MISSING = "StorageClassMissing"
    VOLUME_CANNOT_GROW = "VolumeCannotGrow"
    MOVE_BLOCKED = "MoveBlocked"
    CLUSTER_UNKNOWN = "ClusterUnknown"
    MOVE_TIMED_OUT = "MoveTimedOut"
    SWITCHOVER_FAILED = "SwitchoverFailed"
    DATA_MOVED_AWAY = "DataMovedAway"
    VOLUME_BEING_DELETED = "VolumeBeingDeleted"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    CANNOT_START = "CannotStart"
    CRASH_LOOPING = "CrashLooping"
    PODS_NOT_READY = "PodsNotReady"
    UNSCHEDULABLE = "Unschedulable"
    REFUSED_BY_ADMISSION = "RefusedByAdmission"
    MIGRATION_FAILED = "MigrationFailed"
    PROVIDER_NOT_FOUND = "ProviderNotFound"
    PROVIDER_HAS_NO_ENDPOINT = "ProviderHasNoEndpoint"
    CONSUMER_NOT_ALLOWED = "ConsumerNotAllowed"
    BUDGET_TOO_SMALL = "BudgetTooSmall"
    CALL_CYCLE = "CallCycle"
    METHOD_NOT_FOUND = "MethodNotFound"
    BREAKS_CONSUMERS = "BreaksConsumers"
    CONTRACT_UNREADABLE = "ContractUnreadable"
    CONTRACT_INVALID = "ContractInvalid"
    CONTRACT_TOO_LARGE = "ContractTooLarge"
    GATEWAY_API_MISSING = "GatewayApiMissing"
    NOT_ALLOWED_BY_LISTENERS = "NotAllowedByListeners"
    NO_MATCHING_LISTENER_HOSTNAME = "NoMatchingListenerHostname"
    NO_MATCHING_PARENT = "NoMatchingParent"
    ROUTE_REFUSED = "RouteRefused"
    SECRETS_NOT_GRANTED = "SecretsNotGranted"
    NAME_TAKEN = "NameTaken"
    INVALID_SPEC = "InvalidSpec"
    CLUSTER_REFUSED = "ClusterRefused"


NOT_BLOCKING = frozenset({Type.PATHS_WITHIN_BUDGET, Type.RELOCATED})
NOT_BLOCKING_REASONS = frozenset(
    {Reason.AUDIT, Reason.CONTRACT_UNREADABLE, Reason.CONTRACT_INVALID, Reason.CONTRACT_TOO_LARGE}
)
"""What somebody should see to, and the service is as well without; named in its condition, and hindering nothing."""
BACKGROUND = frozenset({Type.ISOLATION_VERIFIED, Type.CONTRACT_PUBLISHED})
"""What a service is as well without while it is still to come, only not known to be."""


@dataclass(frozen=True)
class Condition:
    """One thing that is true, false or under way, and why, in words for the person who reads it."""

    type: Type
    state: State
    reason: Reason
    message: str


def blocks_ready(condition: Condition) -> bool:
    """Whether Ready waits for it."""
    unproven = condition.type in BACKGROUND and condition.state is State.UNKNOWN
    return not (unproven or condition.type in NOT_BLOCKING or condition.reason in NOT_BLOCKING_REASONS)


@dataclass(frozen=True)
class Event:
    """Something that turned, worth a line in `kubectl describe`."""

    type: str
    reason: str
    note: str
