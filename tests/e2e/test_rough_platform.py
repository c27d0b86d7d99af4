"""A platform that changes, bounds, delays and removes what it is given: the shop becomes Ready, and stays at rest.

A quota and a LimitRange bound the namespace. Webhooks inject a container into every pod, change every write, delay the
first pod of each image as a slow registry would, and let Jobs be removed after their end. A GitOps tool prunes what
carries its label and has no owner. The story takes about fifteen minutes; `make campaign` runs it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from hack import rights
from localcluster import audit
from tests.e2e.support.cluster import Cluster, Object, Space
from tests.e2e.support.microservices import database, front_end, payments, users
from tests.e2e.support.moves import move, placed
from tests.e2e.support.pod_exec import PYTHON
from tests.e2e.support.pod_mutation import mutated
from tests.e2e.support.waits import waiting

pytestmark = [pytest.mark.campaign, pytest.mark.alone]

IDLE_SECONDS = 300
PATIENCE = 600
"""Seconds until the shop is Ready: the image of each part is delayed by 90 seconds, one after the other."""
QUOTA = {
    "pods": "30",
    "requests.cpu": "4",
    "requests.memory": "6Gi",
    "limits.cpu": "20",
    "limits.memory": "12Gi",
    "persistentvolumeclaims": "6",
    "requests.storage": "4Gi",
}
LIMITS = {"type": "Container", "default": {"cpu": "500m", "memory": "256Mi"}, "max": {"cpu": "2", "memory": "1Gi"}}
TOOL = {"app.kubernetes.io/instance": "users"}
"""The label that Argo CD writes into the objects of an application, and by which it finds what to prune."""
PRUNED = "networkpolicy,pvc,secret,configmap,service,deployment,statefulset,job,serviceaccount"
EXCEPTION = "Prune=false"
ADDS_A_COLUMN = [
    PYTHON,
    "-c",
    "import os, psycopg; psycopg.connect(os.environ['DATABASE_URL'], autocommit=True)"
    ".execute('alter table users add column if not exists memo text')",
]


@pytest.fixture
def shop_there(spaces: Callable[..., Space]) -> Iterator[Space]:
    """A namespace of such a platform, with the shop."""
    hooks, space = spaces("hooks"), spaces("rough")
    space.apply(
        {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "compute"}, "spec": {"hard": QUOTA}},
        {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "limits"}, "spec": {"limits": [LIMITS]}},
    )
    with mutated(hooks, space, "last", "slow", "ttl", "write"):
        body = users(placement=placed("a"))
        body["metadata"]["labels"] = TOOL
        space.apply(body, payments(), front_end())
        yield space


def test_rough_platform(cluster: Cluster, shop_there: Space) -> None:
    """The shop becomes Ready, guard and proof work, a prune, a migration and a move go through, and writes end."""
    space = shop_there
    space.until_ready("users", "payments", "storefront", within=PATIENCE)
    for service in ("users", "payments"):
        space.until_condition(service, "ContractPublished", "True", within=PATIENCE)
    for service in ("users", "payments", "storefront"):
        space.until_condition(service, "IsolationVerified", "True", within=PATIENCE)
    space.psql("users", "insert into users (name, email) values ('Ada', 'ada@example.org')")

    assert not _prunable(space)

    space.spec("users", database=database("users", migrations={"command": ADDS_A_COLUMN}))
    space.until_condition("users", "MigrationsApplied", "True", "Applied", within=PATIENCE)
    space.until_ready("users", within=PATIENCE)

    move(space, "--zone", "b")
    assert space.psql("users", "select name, memo from users", "database-2") == "Ada|"
    space.until_ready("users", within=PATIENCE)

    _at_rest(cluster, space)


def _prunable(space: Space) -> list[str]:
    """Return what the tool finds without an owner, and prunes unless the object itself asks for an exception."""
    found = space.find(PRUNED, "app.kubernetes.io/instance=users")
    unowned = (live for live in found if not live["metadata"].get("ownerReferences"))
    return [live["metadata"]["name"] for live in unowned if EXCEPTION not in _sync_options(live)]


def _sync_options(live: Object) -> str:
    return str(live["metadata"].get("annotations", {}).get("argocd.argoproj.io/sync-options", ""))


def _at_rest(cluster: Cluster, space: Space) -> None:
    """Assert that the operator writes nothing in the namespace while nothing changes; leases and probes apart."""
    assert cluster.stage.audit_log
    begun = datetime.now(UTC)
    with waiting():
        time.sleep(IDLE_SECONDS)
    lines = rights.lines(audit.files(cluster.stage.audit_log))
    made = audit.requests(lines, rights.user(rights.ACCOUNT), begun)
    written = [str(one) for one in made if one.namespace == space.name and one.verb in audit.WRITES]
    assert not written
