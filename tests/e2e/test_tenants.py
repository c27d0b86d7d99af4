"""A tenant that names another tenant's resources, in any field, reaches none of them, and the condition says why.

The tenant under attack is the shop. The rival has a namespace of its own, with the grant for Secrets as in the shop's.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.e2e.support.cluster import Object, Space
from tests.e2e.support.connection_attempts import PATIENCE, Target, reached, stranger
from tests.e2e.support.microservices import IMAGES, SIZE, database, idle, users

SOON = 15
LISTEN = ["/opt/users/bin/python", "-m", "http.server", "8080"]


@pytest.fixture(scope="module")
def yard(yard: Space) -> Space:
    """The rival's namespace, with a service of the same name as one of the shop."""
    yard.apply(users())
    yard.until_ready("users")
    return yard


@pytest.fixture(autouse=True)
def _the_shop_is_left_alone(shop: Space) -> Iterator[None]:
    """Assert that no object of the shop changes during a test."""
    before = _made(shop)
    yield
    assert _made(shop) == before
    shop.until_ready("users", "payments", "storefront", within=10)


def _made(shop: Space) -> dict[str, Object]:
    kinds = "networkpolicies,secrets,services,pvc,configmaps,deployments,statefulsets"
    made = shop.find(kinds, "app.kubernetes.io/managed-by=freehold")
    return {body["metadata"]["uid"]: {k: body.get(k) for k in ("spec", "data")} for body in made}


def _targets(shop: Space) -> list[Target]:
    """Return every closed port of the shop: by the addresses of pods, and of the databases' Services."""
    targets = []
    for name in ("users", "payments"):
        (pod,), (server,) = shop.pods(name), shop.pods(name, "database")
        targets.append(Target(name, pod["status"]["podIP"], 50051))
        targets.append(Target(f"{name}-database", server["status"]["podIP"], 5432))
        cluster_ip = shop.get(f"service/{name}-database")["spec"]["clusterIP"]
        targets.append(Target(f"{name}-database, by its Service", cluster_ip, 5432))
    return targets


NAMED = {
    "users": ("ConsumerNotAllowed", "users in namespace {shop} admits no consumers from namespace {rival}"),
    "users-database": ("ProviderNotFound", "users-database in namespace {shop} does not exist"),
    "users-database-nodes": ("ProviderNotFound", "users-database-nodes in namespace {shop} does not exist"),
    "storefront": ("ProviderHasNoEndpoint", "storefront in namespace {shop} declares no spec.grpc"),
    "ledger": ("ProviderNotFound", "ledger in namespace {shop} does not exist"),
}
"""Names under spec.consumes of services and other objects of the shop, with the reason and a part of the message."""


@pytest.mark.parametrize("name", NAMED)
def test_tenants_consumes_foreign_service(yard: Space, shop: Space, name: str) -> None:
    """A foreign service in spec.consumes is reported by reason, and the condition names both namespaces."""
    reason, says = NAMED[name]
    yard.apply(idle("nosy", consumes=[{"name": name, "namespace": shop.name}]))
    said = yard.until_condition("nosy", "DependenciesResolved", "False", reason, within=SOON)
    assert says.format(shop=shop.name, rival=yard.name) in said
    yard.until_event("nosy", "Warning", reason)
    yard.delete("microservice/nosy")


@pytest.mark.parametrize("field", ["namespace", "name"])
def test_tenants_names_with_paths(yard: Space, shop: Space, field: str) -> None:
    """The API server refuses a provider name or namespace that would lead elsewhere in a path or host name."""
    for named in (f"users.{shop.name}.svc", f"../{shop.name}", f"users-database.{shop.name}"):
        consumed = {"name": "users", "namespace": shop.name, field: named}
        body = idle("nosy", consumes=[consumed])
        body["metadata"]["namespace"] = yard.name
        assert f"spec.consumes[0].{field}" in yard.cluster.refused(body)


def test_tenants_same_name(yard: Space, shop: Space) -> None:
    """Services of the same name in two namespaces share no Secret, volume or table."""
    held = {"users-database": "uri", "users-database-owner": "uri", "users-database-server": "postgres"}
    for secret, key in held.items():
        assert yard.get(f"secret/{secret}")["data"][key] != shop.get(f"secret/{secret}")["data"][key]
    volumes = {space.get("pvc/users-database-data")["spec"]["volumeName"] for space in (yard, shop)}
    assert len(volumes) == 2
    yard.psql("users", "create table of_the_rival ()")
    assert shop.psql("users", "select to_regclass('of_the_rival')") == ""


def test_tenants_foreign_volume(yard: Space, shop: Space) -> None:
    """A foreign claim or volume named as a storage class is reported as a missing class."""
    claim = shop.get("pvc/users-database-data")
    for named in (claim["metadata"]["name"], claim["spec"]["volumeName"]):
        storage = {"size": SIZE, "className": named}
        yard.apply(idle("squatter", database=database("users", storage=storage)))
        said = yard.until_condition("squatter", "DatabaseReady", "False", "StorageClassMissing", within=SOON)
        assert said.startswith(f"storage class {named} does not exist")
        yard.delete("microservice/squatter")
        yard.delete("pvc/squatter-database-data")


def test_tenants_migration_isolated(yard: Space, shop: Space) -> None:
    """A migration reaches its own database and no other, neither by name nor by address."""
    own, theirs = (f"/dev/tcp/users-database.{space.name}.svc/5432" for space in (yard, shop))
    others = [theirs, *(f"/dev/tcp/{target.address}/{target.port}" for target in _targets(shop))]
    attempts = "; ".join(f"timeout {PATIENCE} bash -c 'exec 3<>{path}' && opened+=' {path}'" for path in (own, *others))
    command = ["bash", "-c", f'{attempts}; echo "opened:$opened." >&2; exit 1']
    yard.spec("users", database={"migrations": {"command": command}})
    try:
        said = yard.until_condition("users", "MigrationsApplied", "False", "MigrationFailed", within=90)
        assert f"opened: {own}." in said
    finally:
        yard.spec("users", database={"migrations": {"command": ["users", "migrate"]}})
        yard.until_ready("users")


def test_tenants_egress_to_foreign_pods(yard: Space, shop: Space) -> None:
    """With foreign services in spec.consumes and spec.egress, a service reaches none that has network policies."""
    yard.apply(stranger("unwalled", IMAGES["users"], {}, LISTEN))
    yard.kubectl("wait", "pod/unwalled", "--for=condition=Ready", "--timeout=60s")
    unwalled = Target("unwalled", yard.get("pod/unwalled")["status"]["podIP"], 8080)
    targets = _targets(shop)
    outside = [{"cidr": f"{target.address}/32", "ports": [target.port]} for target in (*targets, unwalled)]
    yard.spec("users", egress=outside, consumes=[{"name": name, "namespace": shop.name} for name in NAMED])
    yard.until_condition("users", "DependenciesResolved", "False", within=SOON)
    yard.until_condition("users", "EndpointReady", "True", within=120)

    (pod,) = yard.pods("users")
    from_there = pod["metadata"]["name"]
    deadline = time.monotonic() + SOON
    while not reached(yard, from_there, [unwalled]):
        assert time.monotonic() < deadline, "spec.egress lets nothing out"
    assert reached(yard, from_there, targets) == set()
