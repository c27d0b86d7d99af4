"""Conditions of a Microservice, their reasons, and Events."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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


class Reason(StrEnum):
    """The reasons of conditions, stable names for programs. Each docstring is the reference text."""

    # In progress: status Unknown.
    STARTING = "Starting"
    """The database server starts, or waits for the data of another namespace."""
    ROLLING_OUT = "RollingOut"
    """A rollout of the service's pods is in progress."""
    MIGRATING = "Migrating"
    """The migration Job runs, or waits for an earlier one to end."""
    WAITING_FOR_DATABASE = "WaitingForDatabase"
    """Migrations wait until the database is ready, or until a switchover is over."""
    WAITING_FOR_MIGRATIONS = "WaitingForMigrations"
    """Pods or a switchover wait until database, schema and certificate exist."""
    WAITING_FOR_GATEWAY = "WaitingForGateway"
    """No Gateway controller has answered; check that the Gateway exists and serves GRPCRoutes."""
    VOLUME_PENDING = "VolumePending"
    """The storage class has not provided the volume yet; if this lasts, describe the claim."""
    NOT_PROBED_YET = "NotProbedYet"
    """No probe has run: pods do not serve yet, or the operator does not know its own image."""
    PROBING = "Probing"
    """A probe attempts connections from the service's position."""
    PROBE_FAILED = "ProbeFailed"
    """The probe ended without a result, often for a quota or an image; another follows in minutes."""
    UNREACHABLE = "Unreachable"
    """A declared connection failed; look at the provider, and at other network policies."""
    INITIAL_COPY = "InitialCopy"
    """The base backup runs at the destination of the move."""
    CATCHING_UP = "CatchingUp"
    """The standby replays the WAL, or the database proxy starts."""
    MOVING_PODS = "MovingPods"
    """The service's pods start at the destination."""
    REDIRECTING_ENDPOINT = "RedirectingEndpoint"
    """The name leads to the service's own pods again; the path to the previous target closes in seconds."""
    SWITCHING_OVER = "SwitchingOver"
    """The two database instances exchange roles."""
    MOVE_PAUSED = "MovePaused"
    """The move is paused by annotation; continue it with `kubectl freehold move NAME --resume`."""
    WAITING_FOR_CONSENT = "WaitingForConsent"
    """The counterpart does not declare the move yet; set spec.placement of the source."""
    READING_CONTRACT = "ReadingContract"
    """A reader asks the new image for its contract, for a minute at most."""
    CONTRACT_NOT_READ = "ContractNotRead"
    """The operator does not know its own image (FREEHOLD_IMAGE); install with the chart."""
    # Met: status True.
    READY = "Ready"
    """All conditions that count are met, or the database server accepts connections."""
    VOLUME_GROWING = "VolumeGrowing"
    """The volume of the database is being expanded; the server goes on serving."""
    AVAILABLE = "Available"
    """All pods of the service serve."""
    APPLIED = "Applied"
    """The schema is up to date with the image."""
    IN_USE = "InUse"
    """The Secrets with the database's credentials exist."""
    ISSUED = "Issued"
    """The certificates are issued; the message says until when each is valid."""
    RESOLVED = "Resolved"
    """Every provider exists and admits the service."""
    NONE_DECLARED = "NoneDeclared"
    """The service declares no latency budget."""
    WITHIN_BUDGET = "WithinBudget"
    """No limit further down a path exceeds a limit of the service."""
    TOO_MANY_HOPS = "TooManyHops"
    """More than four calls follow each other; join calls, or make a call asynchronous."""
    POLICIES_APPLIED = "PoliciesApplied"
    """The network policies exist; the message names the admitted callers."""
    POLICIES_ENFORCED = "PoliciesEnforced"
    """Event of the operator's pod: network policies are enforced again on every node."""
    VERIFIED = "Verified"
    """All tried pairs are as declared; the message has the time of the probe."""
    PUBLISHED = "Published"
    """The contract is read; the message lists services and methods."""
    CONTRACT_ACCEPTED = "ContractAccepted"
    """An incompatible contract was accepted by annotation; the message names the consumers it breaks."""
    RELOCATED = "Relocated"
    """The move is complete; the message has the time until which a rollback is possible."""
    AT_DESTINATION = "AtDestination"
    """The service is where the specification places it, for example after an aborted move."""
    SCALED_TO_ZERO = "ScaledToZero"
    """spec.replicas is 0, so no pod runs."""
    ROUTED = "Routed"
    """The Gateway's controller accepted the route."""
    REDIRECTED = "Redirected"
    """The service's name or data is in another namespace or cluster."""
    # Action needed: status False.
    AUDIT = "Audit"
    """Audit mode: no network policy exists; declare the listed connections, then remove spec.isolation."""
    POLICIES_NOT_ENFORCED = "PoliciesNotEnforced"
    """The network plugin does not enforce policies on a node; install or repair the plugin."""
    UNEXPECTEDLY_REACHABLE = "UnexpectedlyReachable"
    """The operator reached a port declared closed; look for policies that admit more."""
    MISMATCH = "Mismatch"
    """A probe reached a port declared closed; look for other policies and for host networking."""
    STORAGE_CLASS_MISSING = "StorageClassMissing"
    """The storage class does not exist, or no default exists; name an existing class."""
    VOLUME_CANNOT_GROW = "VolumeCannotGrow"
    """The storage class does not allow expansion; allow expansion, or move to another class."""
    MOVE_BLOCKED = "MoveBlocked"
    """The move cannot start or continue until the cause in the message is gone; nothing has been changed."""
    CLUSTER_UNKNOWN = "ClusterUnknown"
    """The remote cluster of a move cannot be read; repair the link, its address or its rights."""
    MOVE_TIMED_OUT = "MoveTimedOut"
    """The move exceeded spec.placement.timeout; remove the cause and edit again, or abort."""
    SWITCHOVER_FAILED = "SwitchoverFailed"
    """All attempts to switch over failed and the old primary serves; check both instances' pods."""
    DATA_MOVED_AWAY = "DataMovedAway"
    """The data was moved elsewhere; follow it by spec.placement, or delete the stale claim."""
    VOLUME_BEING_DELETED = "VolumeBeingDeleted"
    """Somebody deleted the claim of the data; copy the data before the server stops."""
    IMAGE_PULL_FAILED = "ImagePullFailed"
    """A node cannot pull the image; push it, correct its name, or let the nodes pull it."""
    CANNOT_START = "CannotStart"
    """The container cannot be created; correct the image's user, the command or the missing object."""
    CRASH_LOOPING = "CrashLooping"
    """The container ended with an error; correct the image, or raise its memory limit."""
    PODS_NOT_READY = "PodsNotReady"
    """A container runs and its health check fails; read its log."""
    UNSCHEDULABLE = "Unschedulable"
    """No node takes the pod; add capacity, lower the requests or correct spec.placement."""
    REFUSED_BY_ADMISSION = "RefusedByAdmission"
    """A quota, limit range, Pod Security or webhook refused the pods; adapt the rule."""
    MIGRATION_FAILED = "MigrationFailed"
    """The migration ended with an error; correct the image, or delete the Job to run it again."""
    PROVIDER_NOT_FOUND = "ProviderNotFound"
    """No Microservice of the provider's name exists; correct the name, or deploy the provider."""
    PROVIDER_HAS_NO_ENDPOINT = "ProviderHasNoEndpoint"
    """The provider declares no spec.grpc; declare it, or remove the entry of spec.consumes."""
    CONSUMER_NOT_ALLOWED = "ConsumerNotAllowed"
    """The provider does not admit this namespace; its owner changes spec.grpc.consumers."""
    BUDGET_TOO_SMALL = "BudgetTooSmall"
    """A limit further down a path exceeds a limit of the service; raise the latter or lower the former."""
    CALL_CYCLE = "CallCycle"
    """Declared calls lead back to the service; remove an entry of spec.consumes from the cycle."""
    METHOD_NOT_FOUND = "MethodNotFound"
    """spec.consumes names a method unknown to the provider; correct its name."""
    BREAKS_CONSUMERS = "BreaksConsumers"
    """The new image breaks a consumer's call; keep the contract compatible, or accept the break."""
    CONTRACT_UNREADABLE = "ContractUnreadable"
    """The image did not answer gRPC Server Reflection; register it, or set spec.grpc.contract: None."""
    CONTRACT_INVALID = "ContractInvalid"
    """The image's descriptors are incomplete or contradictory; rebuild its stubs."""
    CONTRACT_TOO_LARGE = "ContractTooLarge"
    """The image's descriptors exceed about 30 KiB; split the service, or set spec.grpc.contract: None."""
    GATEWAY_API_MISSING = "GatewayApiMissing"
    """The cluster serves no GRPCRoute; install the Gateway API, or remove spec.grpc.expose."""
    NOT_ALLOWED_BY_LISTENERS = "NotAllowedByListeners"
    """No listener admits routes from the namespace; the Gateway's owner changes allowedRoutes."""
    NO_MATCHING_LISTENER_HOSTNAME = "NoMatchingListenerHostname"
    """No listener covers the hostnames; the Gateway's owner adds a listener, or change the names."""
    NO_MATCHING_PARENT = "NoMatchingParent"
    """The Gateway has no listener named sectionName; correct the name, or leave it out."""
    ROUTE_REFUSED = "RouteRefused"
    """The controller refused the route for another reason, repeated in the message."""
    SECRETS_NOT_GRANTED = "SecretsNotGranted"
    """The operator may not keep Secrets in the namespace; run the command in the message."""
    NAME_TAKEN = "NameTaken"
    """An object of a needed name exists and is not Freehold's; rename or delete it."""
    INVALID_SPEC = "InvalidSpec"
    """The operator cannot read the resource; correct the field, or bring operator and CRD to the same version."""
    CLUSTER_REFUSED = "ClusterRefused"
    """The API server refused an object; raise the quota, adapt the rule or restore the rights."""


NOT_BLOCKING = frozenset({Type.PATHS_WITHIN_BUDGET, Type.RELOCATED})
"""Types that never affect Ready."""
NOT_BLOCKING_REASONS = frozenset(
    {Reason.AUDIT, Reason.CONTRACT_UNREADABLE, Reason.CONTRACT_INVALID, Reason.CONTRACT_TOO_LARGE}
)
"""Reasons of conditions that are False and do not affect Ready."""
BACKGROUND = frozenset({Type.ISOLATION_VERIFIED, Type.CONTRACT_PUBLISHED})
"""Types that do not affect Ready while their status is Unknown."""


@dataclass(frozen=True)
class Condition:
    """A condition of the status. message: state, cause and action, for people."""

    type: Type
    state: State
    reason: Reason
    message: str


def blocks_ready(condition: Condition) -> bool:
    """Return whether Ready depends on a condition."""
    unknown = condition.type in BACKGROUND and condition.state is State.UNKNOWN
    return not (unknown or condition.type in NOT_BLOCKING or condition.reason in NOT_BLOCKING_REASONS)


@dataclass(frozen=True)
class Event:
    """A change to report as a Kubernetes Event. type: Normal or Warning."""

    type: str
    reason: str
    note: str
