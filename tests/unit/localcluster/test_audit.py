"""The audit log: only the operator's own writes count, each once."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.audit import Log


def entry(verb: str, user: str = "operator", code: int = 200, stage: str = "ResponseComplete", sub: str = "") -> str:
    target = {"resource": "microservices", "namespace": "shop", "name": "users", "subresource": sub}
    status = {"code": code}
    line = {"verb": verb, "user": {"username": user}, "stage": stage, "objectRef": target, "responseStatus": status}
    return json.dumps(line) + "\n"


def test_counts_writes_of_one_user_and_tells_what_they_made(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    others = entry("get") + entry("patch", user="kubectl") + entry("patch", stage="ResponseStarted")
    log.write_text(entry("patch", code=201) + others + entry("patch", sub="status") + entry("delete"))
    found = Log(log, "operator").writes()
    assert [(write.verb, write.resource, write.made) for write in found] == [
        ("patch", "microservices", True),
        ("patch", "microservices/status", False),
        ("delete", "microservices", False),
    ]


def test_reads_on_where_it_stopped_and_leaves_half_a_line_for_later(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    whole = entry("patch")
    path.write_text(whole + whole[:20])
    log = Log(path, "operator")
    assert len(log.writes()) == 1
    assert log.writes() == []
    path.write_text(whole + whole + entry("create"))
    assert [write.verb for write in log.writes()] == ["patch", "create"]


def test_what_was_before_can_be_skipped(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_text(entry("patch"))
    log = Log(path, "operator")
    log.skip()
    assert log.writes() == []
