"""The audit log: a user's own requests count, each once; what is read of it is what the policy has logged."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import yaml

from localcluster import audit
from localcluster.audit import Log


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


def test_a_watch_counts_once_and_from_its_beginning() -> None:
    lines = [entry("watch", stage="ResponseStarted"), entry("watch"), entry("list")]
    assert [request.verb for request in audit.requests(lines, "operator")] == ["watch", "list"]


def test_what_came_before_a_moment_can_be_left_out() -> None:
    lines = [
        json.dumps({**json.loads(entry("list")), "requestReceivedTimestamp": f"2026-01-02T03:04:{second}.000001Z"})
        for second in ("04", "06")
    ]
    since = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert len(list(audit.requests(lines, "operator", since))) == 1


def test_who_was_not_allowed_is_told_from_who_found_nothing() -> None:
    decision = "authorization.k8s.io/decision"
    lines = [
        json.dumps({**json.loads(entry("get", code=code)), "annotations": {decision: said}})
        for code, said in ((404, "allow"), (403, "forbid"))
    ]
    assert [request.allowed for request in audit.requests(lines, "operator")] == [True, False]


def test_full_logs_are_found_before_the_one_that_is_written(tmp_path: Path) -> None:
    names = ["audit-2026-01-02T03-04-05.000.log", "audit-2026-01-02T04-00-00.000.log", "audit.log"]
    for name in (*names, "kube-apiserver.log"):
        (tmp_path / name).touch()
    assert audit.files(tmp_path / "audit.log") == [tmp_path / name for name in names]


def test_the_operator_comes_before_the_rule_that_leaves_out_reads() -> None:
    first, second, *_ = yaml.safe_load(audit.POLICY)["rules"]
    assert first == {"level": "Metadata", "userGroups": ["system:serviceaccounts:freehold-system"]}
    assert second["level"] == "None" and "get" in second["verbs"]
