"""Consumers in four languages balance their calls over all pods of users without a mesh, and lose no call.

Together they make 100 calls a second while pods are replaced and killed. Their configuration is the published target
and service config alone.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e.support.cluster import Object, Space, uids
from tests.e2e.support.grpc_load import CALLER, LANGUAGES, Load, declared, start_callers
from tests.e2e.support.microservices import front_end, invoices, payments, users
from tests.e2e.support.pod_kills import kill
from tests.e2e.support.storefront_client import forwarded
from tests.e2e.support.write_load import LONGEST

pytestmark = pytest.mark.alone

RATE = 25
"""Calls a second of each language in tests where no call may fail."""
GENTLE = 15
"""Calls a second of each language while four more pods start on the same two cores."""
CALM = 5.0
"""Seconds for which the calls continue after the event under test."""
SPREAD_WITHIN = timedelta(seconds=10)
LOOK = timedelta(seconds=4)
CONSUMERS = {"go": "payments", "java": "invoices", "node": "storefront"}


@pytest.fixture(scope="module")
def person(yard: Space) -> Iterator[str]:
    """The consumers in four languages, and the id of a registered person for their calls."""
    yard.apply(users(replicas=1), payments(), invoices(), front_end(), declared())
    yard.until_ready("users", "payments", "invoices", "storefront")
    yard.until(f"configmap/{CALLER}-consumes", lambda live: "users.service-config" in live.get("data", {}))
    # A consumer reads the service config at its start: restart those that started before the contract was known.
    for name in CONSUMERS.values():
        yard.kubectl("rollout", "restart", f"deployment/{name}")
    for name in CONSUMERS.values():
        yard.kubectl("rollout", "status", f"deployment/{name}", "--timeout=120s")
    start_callers(yard)
    with forwarded(yard) as front:
        front.until("/api/users", 200)
        yield front.post("/api/users", {"name": "Ada", "email": "ada@example.org"}).body["user"]["id"]


@pytest.mark.usefixtures("person")
def test_balance_published_config(yard: Space) -> None:
    """Each consumer logs that its service config is the published file."""
    for language, name in CONSUMERS.items():
        (pod,) = yard.pods(name)
        lines = yard.kubectl("logs", pod["metadata"]["name"]).splitlines()
        said = [line for line in lines if '"provider":"users"' in line.replace(": ", ":")]
        about = [json.loads(line) for line in said]
        assert [line["serviceConfig"] for line in about] == ["published"], f"{language}: {lines}"


def test_balance_five_pods(yard: Space, person: str) -> None:
    """After a scale-up to five pods, each pod receives calls of all four languages within ten seconds."""
    before = uids(yard.pods("users"))
    load = Load(yard, person, GENTLE, LONGEST)
    yard.kubectl("scale", "microservice/users", "--replicas=5")
    yard.until("deployment/users", lambda live: live.get("status", {}).get("readyReplicas") == 5)
    assert before <= uids(yard.pods("users")), "scaling rolled a pod that served"
    since = datetime.now(UTC) + SPREAD_WITHIN
    _wait(since + LOOK)
    pods = yard.pods("users")
    assert load.running(), "the calls ended before the five pods served"
    shares = {pod["metadata"]["name"]: _callers(yard, pod, since) for pod in pods}
    _all_well(load)

    assert len(shares) == 5
    addresses = _addresses(yard)
    missing = [
        f"{pod} has no call from {who}" for pod in shares for who in LANGUAGES if not shares[pod][addresses[who]]
    ]
    assert not missing, shares


def test_balance_rolling_update(yard: Space, person: str) -> None:
    """A rolling update of users loses no call of the four languages."""
    before = uids(yard.pods("users"))
    replaced = [pod["metadata"]["name"] for pod in yard.pods("users")]
    load = Load(yard, person, RATE, LONGEST)
    yard.spec("users", resources={"requests": {"cpu": "20m"}})
    yard.until_ready("users")
    yard.gone("pod", *replaced, within=120)
    time.sleep(CALM)
    assert load.running(), "the calls ended before the rollout"
    _all_well(load)
    assert not before & uids(yard.pods("users"))


def test_balance_killed_pods(yard: Space, person: str) -> None:
    """A killed container and a force-deleted pod lose no call of the four languages."""
    load = Load(yard, person, RATE, LONGEST)
    first, second, *_ = yard.pods("users")
    kill(first)
    yard.until(
        f"pod/{first['metadata']['name']}", lambda pod: pod["status"]["containerStatuses"][0]["restartCount"] == 1
    )
    yard.kubectl("delete", "pod", second["metadata"]["name"], "--grace-period=0", "--force")
    yard.until("deployment/users", lambda live: live.get("status", {}).get("readyReplicas") == 5)
    time.sleep(CALM)
    assert load.running(), "the calls ended before the pods were back"
    _all_well(load)


def _all_well(load: Load) -> None:
    """Stop the calls: each language made some, and none failed."""
    ended = load.stopped()
    assert all(calls.made > 0 for calls in ended.values()), ended
    assert not any(calls.failed for calls in ended.values()), ended


def _callers(space: Space, pod: Object, since: datetime) -> Counter[str]:
    """Return the calls that a pod of users has answered since a time, by the caller's address."""
    name, moment = pod["metadata"]["name"], since.isoformat(timespec="seconds").replace("+00:00", "Z")
    lines = space.kubectl("logs", name, f"--since-time={moment}").splitlines()
    calls = (json.loads(line) for line in lines if '"peer"' in line)
    # gRPC writes a peer as ipv4:ADDRESS:PORT.
    return Counter(call["peer"].removeprefix("ipv4:").rpartition(":")[0] for call in calls)


def _addresses(space: Space) -> dict[str, str]:
    found = {language: space.pods(name)[0]["status"]["podIP"] for language, name in CONSUMERS.items()}
    return {**found, "python": space.get(f"pod/{CALLER}")["status"]["podIP"]}


def _wait(moment: datetime) -> None:
    """Sleep until a time."""
    time.sleep(max(0.0, (moment - datetime.now(UTC)).total_seconds()))
