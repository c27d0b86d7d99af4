"""Tests of the audit log reader and the audit policy."""

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


def test_writes_of_one_user(tmp_path: Path) -> None:
    """Writes of one user are returned, with the information whether each created an object."""
    log = tmp_path / "audit.log"
    others = entry("get") + entry("patch", user="kubectl") + entry("patch", stage="ResponseStarted")
    log.write_text(entry("patch", code=201) + others + entry("patch", sub="status") + entry("delete"))
    found = Log(log, "operator").writes()
    assert [(write.verb, write.resource, write.made) for write in found] == [
        ("patch", "microservices", True),
        ("patch", "microservices/status", False),
        ("delete", "microservices", False),
    ]


def test_writes_resume_at_offset(tmp_path: Path) -> None:
    """Each call continues after the previous one; an incomplete last line is left for the next call."""
    path = tmp_path / "audit.log"
    whole = entry("patch")
    path.write_text(whole + whole[:20])
    log = Log(path, "operator")
    assert len(log.writes()) == 1
    assert log.writes() == []
    path.write_text(whole + whole + entry("create"))
    assert [write.verb for write in log.writes()] == ["patch", "create"]


def test_skip_ignores_earlier_entries(tmp_path: Path) -> None:
    """`skip` moves the cursor to the end of the log."""
    path = tmp_path / "audit.log"
    path.write_text(entry("patch"))
    log = Log(path, "operator")
    log.skip()
    assert log.writes() == []


def test_requests_watch_counts_once() -> None:
    """A watch is reported once, when the response starts."""
    lines = [entry("watch", stage="ResponseStarted"), entry("watch"), entry("list")]
    assert [request.verb for request in audit.requests(lines, "operator")] == ["watch", "list"]


def test_requests_since() -> None:
    """Requests before `since` are left out."""
    lines = [
        json.dumps({**json.loads(entry("list")), "requestReceivedTimestamp": f"2026-01-02T03:04:{second}.000001Z"})
        for second in ("04", "06")
    ]
    since = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert len(list(audit.requests(lines, "operator", since))) == 1


def test_requests_denied_versus_not_found() -> None:
    """`allowed` depends on the authorization, not on the status code."""
    decision = "authorization.k8s.io/decision"
    lines = [
        json.dumps({**json.loads(entry("get", code=code)), "annotations": {decision: verdict}})
        for code, verdict in ((404, "allow"), (403, "forbid"))
    ]
    assert [request.allowed for request in audit.requests(lines, "operator")] == [True, False]


def test_requests_beside_any_content() -> None:
    """Requests of others have any content, also JSON that is nested too deep for Python."""
    other = '{"requestObject":' + '{"a":' * 2000 + "{}" + "}" * 2001
    assert len(list(audit.requests([other, entry("list")], "operator"))) == 1


def test_files_rotated_first(tmp_path: Path) -> None:
    """Rotated logs come before the current one, oldest first."""
    names = ["audit-2026-01-02T03-04-05.000.log", "audit-2026-01-02T04-00-00.000.log", "audit.log"]
    for name in (*names, "kube-apiserver.log"):
        (tmp_path / name).touch()
    assert audit.files(tmp_path / "audit.log") == [tmp_path / name for name in names]


def test_policy_operator_rule_first() -> None:
    """The rule for the operator precedes the rule that drops reads."""
    first, second, *_ = yaml.safe_load(audit.POLICY)["rules"]
    assert first == {"level": "Metadata", "userGroups": ["system:serviceaccounts:freehold-system"]}
    assert second["level"] == "None" and "get" in second["verbs"]
