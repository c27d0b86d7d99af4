"""What can go wrong between Freehold and the cluster, as types that say who can mend it.

ClusterError           any answer other than the one asked for
├── TransientError     passes by itself: the server is away, busy, or was written to by somebody else; try again
├── RefusedError       the cluster will not have it: a quota, an admission rule, a field that cannot change
└── NameTakenError     an object of that name exists and is not Freehold's
"""

from __future__ import annotations

TRANSIENT_STATUSES = frozenset({408, 409, 429, 500, 502, 503, 504})


class ClusterError(Exception):
    """An answer of the API server that was not the one asked for. capability: whose object it is about, if of any."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.capability = ""


class NoClusterError(Exception):
    """No cluster is named, or what names one cannot be used."""


class TransientError(ClusterError):
    """It passes by itself; trying again is right."""


class RefusedError(ClusterError):
    """The cluster refuses the object as it is; somebody must change the resource or the cluster."""


class NameTakenError(ClusterError):
    """An object of that name belongs to somebody else and is left alone."""


def from_status(status: int, message: str) -> ClusterError:
    """The error that an HTTP status stands for. An expired watch (410) is neither transient nor refused."""
    if status in TRANSIENT_STATUSES:
        return TransientError(status, message)
    return ClusterError(status, message) if status == 410 else RefusedError(status, message)
