"""The API server's audit log: who changed what, one line of JSON for each request that was answered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True)
class Write:
    """One write. made: whether it made an object that was not there (HTTP status 201)."""

    verb: str
    resource: str
    namespace: str
    name: str
    status: int

    @property
    def made(self) -> bool:
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

    def writes(self) -> list[Write]:
        """The user's writes since the last call."""
        with self.path.open("rb") as log:
            log.seek(self.offset)
            # A line that is still being written is left for the next call.
            whole = log.read().rpartition(b"\n")[0]
        self.offset += len(whole) + 1 if whole else 0
        return list(_writes(whole, self.user))


def _writes(lines: bytes, user: str) -> Iterator[Write]:
    for line in lines.splitlines():
        entry = json.loads(line)
        if entry["user"]["username"] != user or entry["verb"] not in WRITES or entry["stage"] != "ResponseComplete":
            continue
        target = entry.get("objectRef", {})
        resource = "/".join(filter(None, (target.get("resource"), target.get("subresource"))))
        status = int(entry.get("responseStatus", {}).get("code", 0))
        yield Write(entry["verb"], resource, target.get("namespace", ""), target.get("name", ""), status)
