"""Passwords and private keys are in Secrets alone, and in no log, Event, status or list of arguments."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest

from hack.stage import SYSTEM_NAMESPACE
from tests.e2e.support.cluster import OPERATOR_PODS, Cluster, Object, Space
from tests.e2e.support.microservices import database, front_end, payments, users

MUTUAL = {"tls": "Mutual"}
LEAKS = {
    "url": ('echo "cannot reach $DATABASE_URL"', "cannot reach postgresql://owner:***@leaky-database"),
    "word": ('echo "used $(cat /bindings/database/password)"', "used ***"),
    "setting": ("env | grep DATABASE", "DATABASE_URL=postgresql://owner:***@leaky-database"),
}
"""The command of a failing migration that prints a secret, and the masked text in the condition."""
SECRET_KEYS = {"password", "uri", "tls.key", "app", "owner", "postgres"}
"""The secret keys of Secrets; other keys, like that of a host name, are public."""
SHORTEST = 20
"""Characters; shorter texts might match by chance."""
CMDLINES = "for each in /proc/[0-9]*/cmdline; do tr '\\0' ' ' <$each; echo; done 2>/dev/null; true"
CONTAINERS = ("containers", "initContainers")
Canaries = set[tuple[str, str]]
"""Texts that must not be found, each with its Secret and key; two Secrets may have the same text."""


@pytest.fixture(scope="module")
def yard(yard: Space) -> Space:
    """The shop with every kind of secret: passwords of databases, private keys of servers and identities."""
    yard.apply(users(grpc=MUTUAL), payments(grpc=MUTUAL), front_end())
    yard.until_ready("users", "payments", "storefront", within=300)
    yard.until_condition("payments", "IsolationVerified", "True")
    return yard


@pytest.fixture(scope="module")
def canaries(yard: Space) -> Canaries:
    """The texts of every Secret in the namespace, and of the certificate authority."""
    found = _canaries(yard)
    authority = Space(yard.cluster, SYSTEM_NAMESPACE).get("secret/freehold-ca")
    return found | _forms("freehold-ca", "tls.key", authority["data"]["tls.key"])


def test_secrets_searched_for(canaries: Canaries) -> None:
    """The texts searched for include every password, URI and private key."""
    of = {of for _, of in canaries}
    bound = {f"{name}-database{part}" for name in ("users", "payments") for part in ("", "-owner")}
    assert {f"{name}: {key}" for name in bound for key in ("password", "uri")} <= of
    assert {f"users-database-server: {role}" for role in ("app", "owner", "postgres")} <= of
    assert {f"{name}: tls.key" for name in ("users-database-tls", "users-identity", "storefront-identity")} <= of
    assert "freehold-ca: tls.key" in of


def test_secrets_not_in_objects(yard: Space, canaries: Canaries) -> None:
    """No secret is in any object of the cluster: spec, status, annotation, Event, argument or managed field."""
    assert _leaked(_objects(yard.cluster), canaries) == {}


def test_secrets_not_in_describe(yard: Space, canaries: Canaries) -> None:
    """`kubectl describe` prints no secret."""
    kinds = "all,secrets,configmaps,serviceaccounts,pvc,networkpolicies,poddisruptionbudgets,events,msvc"
    for namespace in (yard.name, SYSTEM_NAMESPACE):
        said = yard.cluster.kubectl("describe", kinds, "-n", namespace)
        assert _leaked({f"describe in {namespace}": said}, canaries) == {}


def test_secrets_not_in_logs(yard: Space, canaries: Canaries) -> None:
    """No secret is in a log of any container, those of earlier starts included."""
    logs = dict(_logs(yard.cluster))
    kinds = ("users-database-0", "users-migrations-", "payments-migrations-", "storefront-", "freehold-")
    for kind in kinds:
        assert any(log.rpartition("/")[2].startswith(kind) for log in logs), f"no log of {kind}"
    assert _leaked(logs, canaries) == {}


def test_secrets_not_in_statement_log(yard: Space, canaries: Canaries) -> None:
    """A server that logs all statements logs no password, although its start sets the passwords by statements."""
    for setting in ("log_statement = 'all'", "log_min_duration_statement = 0"):
        yard.psql("users", f"alter system set {setting}")
    try:
        yard.kubectl("delete", "pod", "users-database-0")
        yard.kubectl("wait", "pod/users-database-0", "--for=condition=Ready", "--timeout=60s")
        yard.psql("users", "select 'one that is logged'")
        log = yard.kubectl("logs", "users-database-0")
    finally:
        yard.psql("users", "alter system reset all")
        yard.psql("users", "select pg_reload_conf()")
    assert "statement: select 'one that is logged'" in log
    assert _leaked({"users-database-0": log}, canaries) == {}


def test_secrets_not_in_arguments(yard: Space, canaries: Canaries) -> None:
    """No secret is among the arguments of a process, which everybody on the node can list."""
    pods = [pod["metadata"]["name"] for name in ("users", "payments") for pod in yard.pods(name, "database")]
    pods += [pod["metadata"]["name"] for name in ("users", "payments") for pod in yard.pods(name)]
    listed = {pod: yard.kubectl("exec", pod, "--", "bash", "-c", CMDLINES) for pod in pods}
    assert all(listed.values())
    assert _leaked(listed, canaries) == {}


def test_secrets_not_in_variables(yard: Space) -> None:
    """Pods and their templates refer to Secrets, and have no URL and no password as a value."""
    made = yard.find("pods,deployments,statefulsets,jobs,replicasets")
    variables = [variable for body in made for variable in _variables(body)]
    urls = [variable for variable in variables if variable["name"] == "DATABASE_URL"]
    assert len(urls) >= 2 * 4, "each of two services: pod, ReplicaSet, Deployment and Job"
    keys = {(reference["name"], reference["key"]) for v in urls for reference in [v["valueFrom"]["secretKeyRef"]]}
    bound = {f"{name}-database{part}" for name in ("users", "payments") for part in ("", "-owner")}
    assert keys == {(name, "uri") for name in bound}
    assert all("value" not in variable for variable in urls)
    passwords = {v["name"]: v.get("value", "") for v in variables if "PASSWORD" in v["name"]}
    assert passwords == {"POSTGRES_PASSWORD_FILE": "/credentials/postgres"}


@pytest.mark.parametrize("how", LEAKS)
def test_secrets_masked_in_messages(spaces: Callable[..., Space], how: str) -> None:
    """Conditions, Events and the operator's log mask the password that a failing migration prints.

    The migration's own log, and its pods that quote that log, belong to its team.
    """
    prints, shown = LEAKS[how]
    space = spaces(f"leaky-{how}")
    command = ["bash", "-c", f"{prints} >&2; exit 1"]
    space.apply(users("leaky", database=database("leaky", migrations={"command": command})))
    said = space.until_condition("leaky", "MigrationsApplied", "False", "MigrationFailed", within=120)
    warned = space.until_event("leaky", "Warning", "MigrationFailed")
    assert shown in said
    assert shown in warned

    mine = [pod["metadata"]["name"] for pod in space.pods("leaky", "migrations")]
    texts = _objects(space.cluster) | {"the operator's log": space.cluster.kubectl("logs", *OPERATOR_PODS, "--tail=-1")}
    leaked = _leaked(texts, _canaries(space))
    assert {where for where in leaked if not any(where.endswith(pod) for pod in mine)} == set()


def test_secrets_search_finds_leaks(yard: Space, canaries: Canaries) -> None:
    """The search finds planted secrets in an annotation, a variable and a log, encoded or not."""
    data = yard.get("secret/users-database")["data"]
    plain = base64.b64decode(data["password"]).decode()
    note = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "note", "annotations": {"seen": plain}}}
    coded = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "coded"}, "data": {"seen": data["password"]}}
    yard.apply(note, coded)
    try:
        found = _leaked(_objects(yard.cluster), canaries)
    finally:
        yard.delete("configmap/note", "configmap/coded")
    assert set(found) == {f"ConfigMap {yard.name}/note", f"ConfigMap {yard.name}/coded"}
    assert "users-database: password" in _leaked({"a log": f"told {plain}."}, canaries)["a log"]


def _canaries(space: Space) -> Canaries:
    found: Canaries = set()
    for secret in space.find("secrets"):
        for key in secret.get("data", {}).keys() & SECRET_KEYS:
            found |= _forms(secret["metadata"]["name"], key, secret["data"][key])
    return found


def _forms(name: str, key: str, encoded: str) -> Canaries:
    """Return a value plain, in base64 and percent-encoded; of a PEM file, each line of the body."""
    plain = base64.b64decode(encoded).decode()
    parts = [line for line in plain.splitlines() if not line.startswith("-----")]
    every = [*parts, encoded, *(quote(part, safe="") for part in parts)]
    return {(text, f"{name}: {key}") for text in every if len(text) >= SHORTEST}


def _leaked(texts: dict[str, str], canaries: Canaries) -> dict[str, set[str]]:
    """Return the secrets that were found, by the name of the text."""
    found = {where: {of for text, of in canaries if text in said} for where, said in texts.items()}
    return {where: of for where, of in found.items() if of}


def _objects(cluster: Cluster) -> dict[str, str]:
    """Return every object of the cluster as text, Secrets without their data."""
    listable = cluster.kubectl("api-resources", "--verbs=list", "-o", "name").split()
    kinds = ",".join(kind for kind in listable if not kind.endswith("metrics.k8s.io"))
    said = cluster.kubectl("get", kinds, "--all-namespaces", "--show-managed-fields", "-o", "json")
    objects: list[Object] = json.loads(said)["items"]
    return {_name(body): json.dumps(_without_data(body)) for body in objects}


def _name(body: Object) -> str:
    metadata = body["metadata"]
    return f"{body['kind']} {metadata.get('namespace', '')}/{metadata['name']}"


def _without_data(body: Object) -> Object:
    return {key: value for key, value in body.items() if body["kind"] != "Secret" or key != "data"}


def _logs(cluster: Cluster) -> Iterator[tuple[str, str]]:
    """Yield the logs of all pods by namespace and name."""
    listed = cluster.kubectl("get", "pods", "--all-namespaces", "-o", "json")
    for pod in json.loads(listed)["items"]:
        where = ("-n", pod["metadata"]["namespace"], pod["metadata"]["name"], "--all-containers")
        log = cluster.tried("logs", *where).stdout + cluster.tried("logs", *where, "--previous").stdout
        yield f"{pod['metadata']['namespace']}/{pod['metadata']['name']}", log


def _variables(body: Object) -> Iterator[Object]:
    spec = body["spec"].get("template", body)["spec"]
    for container in (container for part in CONTAINERS for container in spec.get(part, [])):
        yield from container.get("env", [])
