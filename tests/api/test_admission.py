"""The admission policies of the chart: what Freehold makes is admitted, and what a thief of its token wants is not."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
from freehold.core.model.case import Case
from freehold.core.model.resources import Object
from freehold.core.reconcile import reconcile
from freehold.kube.lease import KIND as LEASE

from hack.stage import grant
from tests.api import operators
from tests.api.attacks import ATTACKS, Build, account, job, named, policy, secret, service, token_of
from tests.api.cluster import APPLY, KINDS, Cluster, Refused, until
from tests.api.shop import microservice
from tests.api.test_grants import bindings
from tests.assurance import objects as examples
from tests.golden import cases

DRY: dict[str, str] = {"dryRun": "All", "fieldManager": "freehold"}
EMPTY = "admission-empty"
"""A namespace without a Microservice."""
HOME = "freehold-system"
DRY_DELETE: Object = {"dryRun": ["All"]}


def write(client: Cluster, body: Object) -> Object:
    """Write an object as the operator does, as a dry run."""
    kind, metadata = KINDS[body["kind"]], body["metadata"]
    if body["kind"] == "Secret":
        return client.request("POST", kind.path(metadata["namespace"]), body, **DRY)
    path = kind.path(metadata["namespace"], metadata["name"])
    return client.request("PATCH", path, body, APPLY, force="true", **DRY)


def refusal(client: Cluster, body: Object) -> str:
    """Return the words by which a write is refused."""
    with pytest.raises(Refused) as refused:
        write(client, body)
    return str(refused.value)


@pytest.fixture(scope="module")
def thief(cluster: Cluster, as_installed: Path) -> Cluster:
    """A client with the operator's token, once the policies are in force."""
    cluster.namespace(EMPTY)
    client = Cluster(as_installed)
    stolen = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "stolen", "namespace": EMPTY}}

    def in_force() -> bool:
        try:
            write(client, stolen)
        except Refused as refused:
            return "labels" in str(refused) or "no params found" in str(refused)
        return False

    until(in_force, "the policies are in force")
    return client


def made() -> Iterator[tuple[str, Object]]:
    """Yield every object of the golden cases and of the examples, with the case."""
    for name in cases.names():
        yield from ((name, body) for plan in reconcile(Case(*cases.observed(name))) for body in plan.objects)
    yield from (("examples", body) for body in examples.of_the_operator())


@pytest.mark.usefixtures("gateway_api")
def test_admission_of_what_freehold_makes(cluster: Cluster, thief: Cluster) -> None:
    """Every object that Freehold makes is admitted, with the operator's token."""
    bodies = list(made())
    assert {body["kind"] for _, body in bodies} == set(KINDS) - {"Pod", "Namespace", "Microservice"}
    for namespace in sorted({body["metadata"]["namespace"] for _, body in bodies}):
        cluster.namespace(namespace)
        cluster.create(microservice(namespace, "any"))
        cluster.request(
            "POST", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings", grant(namespace)
        )
    refused = []
    for case, body in bodies:
        owned = copy.deepcopy(body)
        for owner in owned["metadata"].get("ownerReferences", []):
            owner["uid"] = "00000000-0000-0000-0000-000000000000"
        try:
            until(lambda body=owned: written(thief, body), "the Microservice is known to the policy", seconds=5)
        except Refused as error:
            refused.append(f"{case}: {body['kind']} {body['metadata']['name']}: {error}")
    assert not refused, "\n".join(refused)


def written(client: Cluster, body: Object) -> bool:
    """Write an object; return False as long as the policy does not know the namespace's Microservice."""
    try:
        write(client, body)
    except Refused as refused:
        if "no params found" not in str(refused):
            raise
        return False
    return True


@pytest.fixture(scope="module")
def victim(cluster: Cluster, thief: Cluster) -> str:
    """A namespace with a Microservice and the grant, where well-formed objects are admitted."""
    home = cluster.namespace("admission-victim")
    cluster.create(microservice(home))
    cluster.request("POST", bindings(home), grant(home))
    for body in (job(home), secret(home), account(home), service(home), policy(home)):
        until(lambda body=body: written(thief, body), "it is admitted", seconds=5)
    return home


@pytest.mark.parametrize("attack", ATTACKS)
def test_admission_attack_refused(thief: Cluster, victim: str, attack: str) -> None:
    """An object that Freehold never makes is refused, although its account has the right to its kind."""
    build, edit, words = ATTACKS[attack]
    body = copy.deepcopy(build(victim))
    edit(body)
    said = refusal(thief, body)
    assert "ValidatingAdmissionPolicy 'freehold-" in said and words in said


@pytest.mark.parametrize("namespace", ["kube-system", HOME, EMPTY])
@pytest.mark.parametrize("build", [job, account, service, policy])
def test_admission_namespace_refused(thief: Cluster, build: Build, namespace: str) -> None:
    """Nothing is written in Kubernetes' namespaces, in the operator's own, and in those without a Microservice."""
    said = refusal(thief, build(namespace))
    assert "ValidatingAdmissionPolicy 'freehold-" in said


def test_admission_home(thief: Cluster) -> None:
    """In its own namespace, the operator writes its Secret and its Lease, and no others."""
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "stolen", "namespace": HOME}, "type": "Opaque"}
    assert "its certificate authority" in refusal(thief, body)
    token = {**body, "metadata": {**body["metadata"], "name": "freehold-ca"}}
    token_of("freehold")(token)
    assert "passwords" in refusal(thief, token)
    lease = {"apiVersion": LEASE.api, "kind": "Lease", "metadata": {"name": "kube-scheduler", "namespace": HOME}}
    with pytest.raises(Refused, match="its Lease"):
        thief.request("POST", LEASE.path(HOME), lease, **DRY)


def test_admission_objects_of_others(cluster: Cluster, thief: Cluster, victim: str) -> None:
    """What Freehold has not made is neither changed nor deleted, and no Secret without a grant is read."""
    metadata = {"name": "users-consumes", "namespace": victim}
    cluster.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "b"}})
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": named(victim, "users-consumes"), "data": {"a": "c"}}
    assert "only objects that it has made" in refusal(thief, body)
    with pytest.raises(Refused, match="carry its labels"):
        thief.request("DELETE", KINDS["ConfigMap"].path(victim, "users-consumes"), DRY_DELETE)
    with pytest.raises(Refused, match="cannot list resource"):
        thief.list("Secret", EMPTY)


@pytest.mark.usefixtures("thief")
def test_admission_drift_restored(cluster: Cluster, as_installed: Path, home: str, tmp_path: Path) -> None:
    """What others write into a Deployment is taken out again, although the policies would refuse it to Freehold."""
    cluster.create(microservice(home))
    with operators.running(as_installed, tmp_path / "log", home):
        cluster.ready(home)
        shared = {"spec": {"template": {"spec": {"hostPID": True}}}}
        cluster.patch("Deployment", home, "users", shared, fieldManager="kubectl-edit")
        until(lambda: "'hostPID'" not in str(cluster.get("Deployment", home, "users")), "the field is taken out")
        cluster.patch("Deployment", home, "users", {"metadata": {"labels": None}}, fieldManager="kubectl-edit")
        until(lambda: "Deployment users" in cluster.owned(home), "the labels are restored")


@pytest.mark.usefixtures("thief")
def test_admission_pull_secret_of_others(cluster: Cluster, as_installed: Path, home: str, tmp_path: Path) -> None:
    """The operator writes an account to which others link a pull Secret, and keeps the link."""
    linked = {"imagePullSecrets": [{"name": "registry"}], "secrets": [{"name": "registry"}]}
    part_of = {"app.kubernetes.io/part-of": "other"}
    cluster.create(microservice(home))
    with operators.running(as_installed, tmp_path / "log", home):
        cluster.ready(home)
        cluster.patch("ServiceAccount", home, "users", linked, fieldManager="platform")
        cluster.patch("Microservice", home, "users", {"metadata": {"labels": part_of}})

        def labelled() -> Object | None:
            live = cluster.get("ServiceAccount", home, "users") or {}
            return live if part_of.items() <= live["metadata"]["labels"].items() else None

        live = until(labelled, "the account is labelled")
        assert linked.items() <= live.items()
