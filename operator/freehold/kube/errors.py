"""Errors of the Kubernetes API, by who can correct the cause.

ClusterError           any unexpected answer
├── TransientError     passes by itself: the server is away or busy, or another writer was first; retry
├── RefusedError       the cluster refuses the object: a quota, an admission rule, an immutable field
├── ContestedError     another writer keeps undoing an object; Freehold writes it again after a pause
└── NameTakenError     an object with the name exists and was not made by Freehold
"""

from __future__ import annotations

TRANSIENT_STATUSES = frozenset({408, 409, 429, 500, 502, 503, 504})


class ClusterError(Exception):
    """An unexpected answer of the API server.

    status: the HTTP status, 0 without an answer. capability: the capability that wanted the object, if known.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.capability = ""


class NoClusterError(Exception):
    """No kubeconfig names a cluster, or the kubeconfig is unusable."""


class TransientError(ClusterError):
    """An error that passes by itself; retry."""


class RefusedError(ClusterError):
    """The cluster refuses the object; the resource or the cluster must be changed."""


class NameTakenError(ClusterError):
    """An object with the name exists and was not made by Freehold."""


class ContestedError(ClusterError):
    """Another writer keeps undoing an object. retry_after: the seconds until the object is written again."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(0, message)
        self.retry_after = retry_after


NO_MICROSERVICE_YET = "no params found for policy binding"
"""The API server's words if its admission policy has not seen the Microservice of a namespace yet."""


def from_status(status: int, message: str) -> ClusterError:
    """Return the error for an HTTP status. An expired watch (410) is neither transient nor refused."""
    if status in TRANSIENT_STATUSES or NO_MICROSERVICE_YET in message:
        return TransientError(status, message)
    return ClusterError(status, message) if status == 410 else RefusedError(status, message)
