"""`kubectl freehold contract` and `client` with a real API server: serving and waiting contracts, and exit codes."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result
from freehold.cli.completion import VARIABLE
from freehold.cli.main import freehold
from freehold.core.contracts import published
from freehold.core.model.resources import Object
from freehold.kube import observation

from tests import offered
from tests.api.cluster import Cluster
from tests.api.shop import microservice

SERVES, WAITS = "registry.example/users:1", "registry.example/users:2"
BREAKING = offered.users(offered.EMAIL)
GONE = "field 3 'email' of shop.users.v1.User is gone"


def run(cluster: Cluster, *arguments: str) -> Result:
    return CliRunner().invoke(freehold, arguments, env={"KUBECONFIG": str(cluster.kubeconfig)})


def answer(cluster: Cluster, *arguments: str, code: int = 0) -> str:
    done = run(cluster, *arguments)
    assert done.exit_code == code, done.output
    return done.stdout


def refusal(cluster: Cluster, *arguments: str) -> str:
    done = run(cluster, *arguments)
    assert done.exit_code == 2, done.output
    assert done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1, done.stderr
    return done.stderr


@pytest.fixture
def shop(cluster: Cluster, home: str) -> str:
    """users with a serving and a waiting image; a front end that calls every method, another that calls CountUsers."""
    users = microservice(home, image=WAITS)
    cluster.create(users)
    cluster.create(microservice(home, "front", grpc=None, http={"port": 8080}, consumes=[{"name": "users"}]))
    counts = [{"name": "users", "methods": [offered.COUNT_USERS]}]
    cluster.create(microservice(home, "counter", grpc=None, http={"port": 8080}, consumes=counts))
    cluster.create(deployment(home))
    publish(cluster, home, SERVES, offered.users())
    return home


def deployment(namespace: str) -> Object:
    labels = {"app": "users"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "service", "image": SERVES}]}}
    body = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    return {"kind": "Deployment", "metadata": {"name": "users", "namespace": namespace}, "spec": body}


def publish(cluster: Cluster, namespace: str, image: str, contract: bytes) -> None:
    """Publish a contract as the operator does."""
    live = cluster.get("Microservice", namespace, "users")
    assert live
    cluster.create(published.config_map(observation.parse(live), image, contract, "contracts"))


def test_cli_contract_show(cluster: Cluster, shop: str) -> None:
    """`contract show` prints the serving contract and its callers."""
    lines = answer(cluster, "contract", "show", "users", "-n", shop).splitlines()
    assert lines[0] == f"{shop}/users offers, as read from {SERVES}"
    assert [line.split()[-2:] for line in lines[4:]] == [
        ["yes", "front"],
        ["reads", "front"],
        ["counter,", "front"],
    ]
    told = json.loads(answer(cluster, "contract", "show", f"{shop}/users", "-o", "json"))
    assert told["readFrom"] == SERVES and told["methods"][2]["calledBy"] == [f"{shop}/counter", f"{shop}/front"]
    done = run(cluster, "contract", "show", "users", "-n", shop, "-o", "binpb")
    assert done.stdout_bytes == offered.users()


def test_cli_contract_diff_waiting_image(cluster: Cluster, shop: str) -> None:
    """`contract diff` compares the image that waits with the serving contract."""
    assert f"what {WAITS} offers is not published" in refusal(cluster, "contract", "diff", "users", "-n", shop)
    publish(cluster, shop, WAITS, BREAKING)
    said = answer(cluster, "contract", "diff", "users", "-n", shop, code=1)
    assert GONE in said and said.endswith("It breaks front\n")
    told = json.loads(answer(cluster, "contract", "diff", "users", "-n", shop, "-o", "json", code=1))
    assert told["comparedWith"] == WAITS
    assert [(one["message"], one["breaks"]) for one in told["changes"]] == [(GONE, [f"{shop}/front"])]


def test_cli_contract_diff_file(cluster: Cluster, shop: str, tmp_path: Path) -> None:
    """`contract diff --against FILE` compares a descriptor set with the serving contract."""
    for name, contract, code, said in (
        ("same", offered.users(), 0, "They are the same\n"),
        ("more", offered.users(offered.EMAIL, f"{offered.EMAIL} string phone = 9;"), 0, "It breaks no consumer\n"),
        ("less", BREAKING, 1, "It breaks front\n"),
    ):
        (tmp_path / name).write_bytes(contract)
        against = ("--against", str(tmp_path / name))
        assert answer(cluster, "contract", "diff", "users", "-n", shop, *against, code=code).endswith(said)
    (tmp_path / "text").write_text("no such thing")
    assert "holds no contract" in refusal(
        cluster, "contract", "diff", "users", "-n", shop, "--against", str(tmp_path / "text")
    )


def test_cli_contract_tampered(cluster: Cluster, shop: str) -> None:
    """A ConfigMap with another digest than the status is rejected as a contract."""
    live = cluster.get("Microservice", shop, "users")
    assert live
    name = published.name("users", SERVES, observation.parse(live).annotations)
    other = {"binaryData": {published.DESCRIPTORS: base64.b64encode(BREAKING).decode()}}
    cluster.patch("ConfigMap", shop, name, other)
    assert f"what {SERVES} offers is not published" in refusal(cluster, "contract", "show", "users", "-n", shop)


def test_cli_client_stubs(cluster: Cluster, shop: str, tmp_path: Path) -> None:
    """`client` writes stubs of the serving contract, and overwrites files only with `--force`."""
    ask = ("client", "users", "-n", shop, "--lang", "python", "--out", str(tmp_path))
    assert answer(cluster, *ask).splitlines()[0] == f"{shop}/users as {SERVES} offers it:"
    (tmp_path / "shop/users/v1/users_pb2.py").write_text("mine")
    assert "--force overwrites" in refusal(cluster, *ask)
    answer(cluster, *ask, "--force")


def test_cli_contract_absent(cluster: Cluster, shop: str) -> None:
    """A service without a contract is reported."""
    assert "front declares no spec.grpc" in refusal(cluster, "contract", "show", "front", "-n", shop)
    assert "did you mean users?" in refusal(cluster, "contract", "show", "user", "-n", shop)


def test_cli_contract_completion(cluster: Cluster, shop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shell completion offers the names of services."""
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    program = ShellComplete(freehold, {}, "freehold", VARIABLE)
    for words in (["contract", "show"], ["contract", "diff"], ["client"]):
        found = program.get_completions([*words, "-n", shop], "us")
        assert [one.value for one in found] == ["users"], words
