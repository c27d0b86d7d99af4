"""The audit mode of isolation: undeclared connections are reported without enforcement, and refused with it."""

from __future__ import annotations

import pytest

from tests.e2e.support.cluster import Space, conditions
from tests.e2e.support.connection_attempts import Target, reached, stranger
from tests.e2e.support.microservices import IMAGES, users

LONG_ENOUGH = 120
"""Seconds for which a connection is held, until an observer has seen it and the operator has read the observation."""


@pytest.fixture(scope="module")
def yard(yard: Space) -> Space:
    """users without network policies, and an unmanaged pod with connections to the service and its database."""
    yard.apply(users(isolation="Audit"))
    yard.until_ready("users")
    held = "".join(_hold(target) for target in _targets(yard))
    command = ["bash", "-c", f"{held} wait"]
    yard.apply(stranger("intruder", IMAGES["users"], {}, command))
    yard.kubectl("wait", "pod/intruder", "--for=condition=Ready", "--timeout=60s")
    return yard


def test_audit_names_undeclared_connections(yard: Space) -> None:
    """Without enforcement, the condition names the undeclared connections and no declared one."""
    where = yard.get("pod/intruder")["status"]["podIP"]

    def named(live: dict[str, object]) -> bool:
        """with both connections named"""
        said = conditions(live)["IsolationEnforced"]["message"]
        return f"{where} → users:50051" in said and f"{where} → users-database:5432" in said

    live = yard.until("microservice/users", named)
    found = conditions(live)
    assert found["IsolationEnforced"]["reason"] == "Audit"
    assert found["IsolationEnforced"]["message"].count("→") == 2, "what is declared is not named"
    assert found["Ready"]["status"] == "True"
    assert not yard.find("networkpolicies")


def test_audit_then_enforced(yard: Space) -> None:
    """Once isolation is enforced, the undeclared connections are refused and no observer is left."""
    yard.spec("users", isolation="Enforced")
    yard.until_ready("users")
    yard.until_condition("users", "IsolationVerified", "True", within=120)

    yard.kubectl("delete", "pod", "intruder", "--wait=true")
    yard.apply(stranger("intruder", IMAGES["users"], {}, ["sleep", "infinity"]))
    yard.kubectl("wait", "pod/intruder", "--for=condition=Ready", "--timeout=60s")
    assert reached(yard, "intruder", _targets(yard)) == set()
    (pod,) = yard.pods("users")
    assert [container["name"] for container in pod["spec"]["containers"]] == ["service"], "no observer is left"


def _targets(yard: Space) -> list[Target]:
    service, database = (yard.pods("users", component)[0] for component in ("service", "database"))
    return [
        Target("users", service["status"]["podIP"], 50051),
        Target("users-database", database["status"]["podIP"], 5432),
    ]


def _hold(target: Target) -> str:
    """Return a bash command that connects and holds the connection."""
    return f"(exec 3<>/dev/tcp/{target.address}/{target.port}; sleep {LONG_ENOUGH}) & "
