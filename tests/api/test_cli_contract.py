"""`kubectl freehold contract` and `client` against a real API server: output, files and exit codes."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from freehold.cli.completion import VARIABLE
from freehold.cli.main import freehold
from freehold.core.contracts import published
from freehold.core.model.resources import Object
from freehold.kube import observation

from tests import offered
from tests.api.cluster import Cluster
from tests.api.commands import answer, refusal, run
from tests.api.shop import microservice

SERVING, DECLARED = "registry.example/users:1", "registry.example/users:2"
BREAKING = offered.users(offered.EMAIL)
GONE = "field 3 'email' of shop.users.v1.User is gone"


@pytest.fixture
def shop(cluster: Cluster, home: str) -> str:
    """Users with a serving and another declared image; a consumer of all methods, and a consumer of one method."""
    users = microservice(home, image=DECLARED)
    cluster.create(users)
    cluster.create(microservice(home, "front", grpc=None, http={"port": 8080}, consumes=[{"name": "users"}]))
    counts = [{"name": "users", "methods": [offered.COUNT_USERS]}]
    cluster.create(microservice(home, "counter", grpc=None, http={"port": 8080}, consumes=counts))
    cluster.create(deployment(home))
    publish(cluster, home, SERVING, offered.users())
    return home


def deployment(namespace: str) -> Object:
    labels = {"app": "users"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "service", "image": SERVING}]}}
    body = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    return {"kind": "Deployment", "metadata": {"name": "users", "namespace": namespace}, "spec": body}


def publish(cluster: Cluster, namespace: str, image: str, contract: bytes) -> None:
    """Create the ConfigMap that the operator creates for a contract."""
    live = cluster.get("Microservice", namespace, "users")
    assert live
    cluster.create(published.config_map(observation.parse(live), image, contract, "contracts"))


def test_contract_show_serving(cluster: Cluster, shop: str) -> None:
    """The contract of the serving image is shown with the callers of each method."""
    lines = answer(cluster, "contract", "show", "users", "-n", shop).splitlines()
    assert lines[0] == f"{shop}/users offers, as read from {SERVING}"
    assert [line.split()[-2:] for line in lines[4:]] == [
        ["yes", "front"],
        ["read-only", "front"],
        ["counter,", "front"],
    ]
    document = json.loads(answer(cluster, "contract", "show", f"{shop}/users", "-o", "json"))
    assert document["readFrom"] == SERVING and document["methods"][2]["calledBy"] == [
        f"{shop}/counter",
        f"{shop}/front",
    ]
    done = run(cluster.kubeconfig, "contract", "show", "users", "-n", shop, "-o", "binpb")
    assert done.stdout_bytes == offered.users()


def test_contract_diff_declared_image(cluster: Cluster, shop: str) -> None:
    """The contract of the declared image is compared with the serving one."""
    assert f"the contract of {DECLARED} is not published" in refusal(
        cluster.kubeconfig, "contract", "diff", "users", "-n", shop
    )
    publish(cluster, shop, DECLARED, BREAKING)
    text = answer(cluster, "contract", "diff", "users", "-n", shop, code=1)
    assert GONE in text and text.endswith("Breaks front\n")
    document = json.loads(answer(cluster, "contract", "diff", "users", "-n", shop, "-o", "json", code=1))
    assert document["comparedWith"] == DECLARED
    assert [(one["message"], one["breaks"]) for one in document["changes"]] == [(GONE, [f"{shop}/front"])]


def test_contract_diff_file(cluster: Cluster, shop: str, tmp_path: Path) -> None:
    """A file is compared with the contract of the serving image."""
    for name, contract, code, summary in (
        ("same", offered.users(), 0, "No changes\n"),
        ("more", offered.users(offered.EMAIL, f"{offered.EMAIL} string phone = 9;"), 0, "Breaks no consumer\n"),
        ("less", BREAKING, 1, "Breaks front\n"),
    ):
        (tmp_path / name).write_bytes(contract)
        against = ("--against", str(tmp_path / name))
        assert answer(cluster, "contract", "diff", "users", "-n", shop, *against, code=code).endswith(summary)
    (tmp_path / "text").write_text("no such thing")
    assert "holds no contract" in refusal(
        cluster.kubeconfig, "contract", "diff", "users", "-n", shop, "--against", str(tmp_path / "text")
    )


def test_contract_tampered(cluster: Cluster, shop: str) -> None:
    """A ConfigMap with other contents than its digest is no contract."""
    live = cluster.get("Microservice", shop, "users")
    assert live
    name = published.name("users", SERVING, observation.parse(live).annotations)
    other = {"binaryData": {published.DESCRIPTORS: base64.b64encode(BREAKING).decode()}}
    cluster.patch("ConfigMap", shop, name, other)
    assert f"the contract of {SERVING} is not published" in refusal(
        cluster.kubeconfig, "contract", "show", "users", "-n", shop
    )


def test_client_stubs_of_serving_contract(cluster: Cluster, shop: str, tmp_path: Path) -> None:
    """Stubs are generated from the contract of the serving image."""
    arguments = ("client", "users", "-n", shop, "--lang", "python", "--out", str(tmp_path))
    assert answer(cluster, *arguments).splitlines()[0] == f"{shop}/users as offered by {SERVING}:"
    (tmp_path / "shop/users/v1/users_pb2.py").write_text("mine")
    assert "--force overwrites" in refusal(cluster.kubeconfig, *arguments)
    answer(cluster, *arguments, "--force")


def test_contract_missing(cluster: Cluster, shop: str) -> None:
    """A service without an endpoint, and an unknown service, are refused."""
    assert "front has no contract: it declares no spec.grpc" in refusal(
        cluster.kubeconfig, "contract", "show", "front", "-n", shop
    )
    assert "did you mean users?" in refusal(cluster.kubeconfig, "contract", "show", "user", "-n", shop)


def test_completion_of_services(cluster: Cluster, shop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of services in the given namespace are completed."""
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    program = ShellComplete(freehold, {}, "freehold", VARIABLE)
    for words in (["contract", "show"], ["contract", "diff"], ["client"]):
        found = program.get_completions([*words, "-n", shop], "us")
        assert [one.value for one in found] == ["users"], words
