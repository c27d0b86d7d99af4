"""The API server's audit log: the audit policy, and a reader of the log, which has one JSON document per request."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

LOG_MEGABYTES = 250
OLDER_LOGS = 3
"""Rotated logs kept besides the current one, so that a long run loses no entries: one gigabyte in all."""
WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
# Every request of the operator is logged, so that tests can compare the requests with the operator's RBAC rights. For
# other users only writes are logged, with their content: reads outnumber writes a thousand to one.
POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
    userGroups: ["system:serviceaccounts:freehold-system"]
  - level: None
    verbs: [get, list, watch]
  - level: None
    resources: [{group: coordination.k8s.io, resources: [leases]}, {group: "", resources: [events]}]
  - level: Metadata
    resources: [{group: "", resources: [secrets]}]
  - level: Request
"""


@dataclass(frozen=True)
class Request:
    """One answered request for a resource.

    resource: includes the subresource, such as `microservices/status`.
    allowed: whether the user was authorized, regardless of the response.
    """

    verb: str
    group: str
    resource: str
    namespace: str
    name: str
    status: int
    allowed: bool

    @property
    def made(self) -> bool:
        """Whether the request created an object."""
        return self.status == 201

    def __str__(self) -> str:
        return f"{self.verb} {self.resource} {self.name} → {self.status}"


@dataclass
class Log:
    """A cursor over the audit log that returns each write of `user` once."""

    path: Path
    user: str
    offset: int = 0

    def skip(self) -> None:
        """Move the cursor to the end of the log."""
        self.offset = self.path.stat().st_size if self.path.exists() else 0

    def writes(self) -> list[Request]:
        """Return the user's writes since the last call."""
        with self.path.open("rb") as log:
            log.seek(self.offset)
            # An incomplete last line is left for the next call.
            whole = log.read().rpartition(b"\n")[0]
        self.offset += len(whole) + 1 if whole else 0
        return [request for request in requests(whole.splitlines(), self.user) if request.verb in WRITES]


def options(log: Path, policy: Path) -> list[str]:
    """Write the audit policy and return the audit flags of kube-apiserver."""
    policy.parent.mkdir(parents=True, exist_ok=True)
    policy.write_text(POLICY)
    kept = [f"--audit-log-maxsize={LOG_MEGABYTES}", f"--audit-log-maxbackup={OLDER_LOGS}"]
    return [f"--audit-policy-file={policy}", f"--audit-log-path={log}", *kept]


def files(log: Path) -> list[Path]:
    """Return the current log and the rotated ones (`audit-TIME.log` in the same folder), oldest first."""
    return [*sorted(log.parent.glob(f"{log.stem}-*{log.suffix}")), log]


def requests(lines: Iterable[str | bytes], user: str, since: datetime | None = None) -> Iterator[Request]:
    """Yield each of the user's requests for resources once; with `since` (timezone-aware), only later ones."""
    for line in lines:
        try:
            entry = json.loads(line)
        except RecursionError:
            continue  # a write with its content, nested deeper than Python decodes; the operator's are logged without
        # A watch is reported when the response starts; the end may come minutes later.
        answered = "ResponseStarted" if entry["verb"] == "watch" else "ResponseComplete"
        if entry["user"]["username"] != user or entry["stage"] != answered or "objectRef" not in entry:
            continue
        if since is None or datetime.fromisoformat(entry["requestReceivedTimestamp"]) >= since:
            yield _request(entry)


def _request(entry: dict[str, Any]) -> Request:
    target = entry["objectRef"]
    return Request(
        verb=entry["verb"],
        group=target.get("apiGroup", ""),
        resource="/".join(filter(None, (target.get("resource"), target.get("subresource")))),
        namespace=target.get("namespace", ""),
        name=target.get("name", ""),
        status=int(entry.get("responseStatus", {}).get("code", 0)),
        allowed=entry.get("annotations", {}).get("authorization.k8s.io/decision") == "allow",
    )
