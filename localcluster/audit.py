"""The API server's audit log: what is logged, and who asked for what, one line of JSON for each request."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

LOG_MEGABYTES = 250
OLDER_LOGS = 3
"""Kept beside the one that is written when it is full, so that a long run loses nothing: a gigabyte in all."""
WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
# All that the operator asks for, so that its rights can be held against it. Of everybody else, what changed and what it
# was changed to; their reads are left out, as there are a thousand to one write.
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
    """One request about a resource that was answered. resource: with its subresource, like `microservices/status`.

    allowed: whether the asker had the right to, whatever became of it then.
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
        """Whether it made an object that was not there."""
        return self.status == 201

    def __str__(self) -> str:
        return f"{self.verb} {self.resource} {self.name} → {self.status}"


@dataclass
class Log:
    """Reads on from where it was last read. user: whose writes count."""

    path: Path
    user: str
    offset: int = 0

    def skip(self) -> None:
        """What was written so far does not count."""
        self.offset = self.path.stat().st_size if self.path.exists() else 0

    def writes(self) -> list[Request]:
        """The user's writes since the last call."""
        with self.path.open("rb") as log:
            log.seek(self.offset)
            # A line that is still being written is left for the next call.
            whole = log.read().rpartition(b"\n")[0]
        self.offset += len(whole) + 1 if whole else 0
        return [request for request in requests(whole.splitlines(), self.user) if request.verb in WRITES]


def options(log: Path, policy: Path) -> list[str]:
    """What kube-apiserver is told; writes the policy."""
    policy.parent.mkdir(parents=True, exist_ok=True)
    policy.write_text(POLICY)
    kept = [f"--audit-log-maxsize={LOG_MEGABYTES}", f"--audit-log-maxbackup={OLDER_LOGS}"]
    return [f"--audit-policy-file={policy}", f"--audit-log-path={log}", *kept]


def files(log: Path) -> list[Path]:
    """The log and the older ones it was turned into when it was full, `audit-TIME.log` beside it, the oldest first."""
    return [*sorted(log.parent.glob(f"{log.stem}-*{log.suffix}")), log]


def requests(lines: Iterable[str | bytes], user: str, since: datetime | None = None) -> Iterator[Request]:
    """The user's requests about resources, each once. since: those that came then or later, a time with its zone."""
    for line in lines:
        entry = json.loads(line)
        # A watch counts from its beginning, for its end may be minutes away.
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
