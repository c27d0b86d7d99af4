"""The chart: objects of a release, security of the operator's pod, and refused values."""

from __future__ import annotations

import pytest
import yaml
from freehold.agents.canary import CLOSED_PORT, OPEN_PORT
from freehold.api.crd import custom_resource_definition
from freehold.api.v1alpha1.microservice import Microservice

from hack.generate import CHART
from tests.unit.delivery.helm import Object, of_kind, render, run, template, the

NOT_RESTRICTED = {"hostNetwork", "hostPID", "hostIPC", "hostUsers"}


def pod(objects: list[Object]) -> Object:
    spec: Object = the(objects, "Deployment")["spec"]["template"]["spec"]
    return spec


def test_lint_clean() -> None:
    """`helm lint --strict` has no finding."""
    done = run("lint", "--strict", str(CHART))
    assert done.returncode == 0, done.stdout + done.stderr


def test_pod_security_restricted() -> None:
    """The operator's pod satisfies the Pod Security Standard restricted."""
    spec = pod(render())
    (container,) = spec["containers"]
    assert not NOT_RESTRICTED & set(spec)
    assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert [list(volume) for volume in spec["volumes"]] == [["name", "emptyDir"]]


def test_single_operator_with_probes() -> None:
    """At most a single operator runs, with probes and a memory limit."""
    deployment = the(render(), "Deployment")["spec"]
    (container,) = deployment["template"]["spec"]["containers"]
    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})
    assert container["ports"] == [{"name": "health", "containerPort": 8080}]
    for probe in ("startupProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/healthz", "port": "health"}
    assert container["resources"]["limits"]["memory"]


def test_settings_passed() -> None:
    """Values reach the operator as environment variables."""
    (container,) = pod(render("logLevel=debug", "postgresql.image=postgres:{version}"))["containers"]
    assert {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry} == {
        "FREEHOLD_NAMESPACES": "",
        "FREEHOLD_SECRETS_ROLE": "freehold-secrets",
        "FREEHOLD_TRUST_DOMAIN": "cluster.local",
        "FREEHOLD_IMAGE": "localhost/freehold/operator:dev",
        "FREEHOLD_CANARIES": "freehold-canary.freehold-system.svc",
        "FREEHOLD_POSTGRESQL_IMAGE": "postgres:{version}",
        "FREEHOLD_LOG_LEVEL": "debug",
    }


def test_image_digest() -> None:
    """An image can be pinned by digest."""
    digest = f"sha256:{'0a' * 32}"
    (container,) = pod(render("image.repository=example.org:5000/freehold", "image.tag=1.0", f"image.digest={digest}"))[
        "containers"
    ]
    assert container["image"] == f"example.org:5000/freehold:1.0@{digest}"


def test_operator_network_policy() -> None:
    """The operator has no ingress, and egress to DNS, the API server, services and canaries."""
    objects = render("networkPolicy.apiServer.cidrs={192.0.2.1/32}", "networkPolicy.apiServer.ports={6443}")
    spec = the(objects, "NetworkPolicy")["spec"]
    dns, tried, server = spec["egress"]
    labels = the(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert spec["podSelector"]["matchLabels"].items() <= labels.items()
    assert (spec["policyTypes"], spec["ingress"]) == (["Ingress", "Egress"], [])
    assert {port["port"] for port in dns["ports"]} == {53} and all(dns["to"])
    assert server == {"to": [{"ipBlock": {"cidr": "192.0.2.1/32"}}], "ports": [{"protocol": "TCP", "port": 6443}]}
    services, canaries = tried["to"]
    assert services["podSelector"]["matchLabels"] == {"app.kubernetes.io/managed-by": "freehold"}
    canary_labels = the(objects, "DaemonSet", "freehold-canary")["spec"]["template"]["metadata"]["labels"]
    assert canaries["podSelector"]["matchLabels"].items() <= canary_labels.items()
    assert not canaries["podSelector"]["matchLabels"].items() <= labels.items()
    assert [body["metadata"]["name"] for body in of_kind(render("networkPolicy.enabled=false"), "NetworkPolicy")] == [
        "freehold-canary"
    ]


def test_canary_network_policy() -> None:
    """A canary has a port open to the operator only, and a closed port."""
    objects = render()
    spec = the(objects, "NetworkPolicy", "freehold-canary")["spec"]
    (rule,) = spec["ingress"]
    (caller,) = rule["from"]
    operator = the(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
    (container,) = the(objects, "DaemonSet", "freehold-canary")["spec"]["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert caller["podSelector"]["matchLabels"].items() <= operator.items()
    assert rule["ports"] == [{"protocol": "TCP", "port": "open"}]
    assert ports == {"open": OPEN_PORT, "closed": CLOSED_PORT}
    assert spec["egress"] == []
    assert not of_kind(render("canary.enabled=false"), "DaemonSet")


def test_definition_kept() -> None:
    """The CustomResourceDefinition equals the models', and is kept when the release is uninstalled."""
    found = the(render(), "CustomResourceDefinition", "microservices.freehold.dev")
    made = custom_resource_definition()
    assert found["spec"] == made["spec"]
    assert made["metadata"]["labels"].items() <= found["metadata"]["labels"].items()
    assert found["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_definition_optional() -> None:
    """The definition can be deleted with the release, or left out."""
    unprotected = the(render("crds.keep=false"), "CustomResourceDefinition", "microservices.freehold.dev")
    assert not unprotected["metadata"]["annotations"]
    assert not of_kind(render("crds.enabled=false"), "CustomResourceDefinition")


def test_pod_labels_keep_selector() -> None:
    """Labels of the user never replace the labels of the selector."""
    objects = render("podLabels.team=platform", "podLabels.app\\.kubernetes\\.io/name=other")
    labels = the(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert (labels["team"], labels["app.kubernetes.io/name"]) == ("platform", "freehold")


def test_releases_share_no_cluster_names() -> None:
    """Two releases have no cluster-wide name in common."""

    def names(release: str) -> set[tuple[str, str]]:
        objects = render("crds.enabled=false", "namespaces={shop}", release=release)
        return {(body["kind"], body["metadata"]["name"]) for body in objects if body["kind"].startswith("Cluster")}

    first, second = names("freehold"), names("tenant")
    assert first and second and not first & second


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("logLevel=loud", "at '/logLevel': value must be one of 'debug', 'info', 'warning', 'error'"),
        ("namespaces={Shop}", "at '/namespaces/0': 'Shop' does not match pattern"),
        ("namespaces=shop", "at '/namespaces': got string, want array"),
        ("replicas=2", "additional properties 'replicas' not allowed"),
        ("image.tag=", "at '/image/tag': '' does not match pattern"),
        ("image.repository=freehold:dev", "at '/image/repository': 'freehold:dev' does not match pattern"),
        ("postgresql.image=postgres:15", "at '/postgresql/image': 'postgres:15' does not match pattern"),
        ("networkPolicy.apiServer.ports={0}", "at '/networkPolicy/apiServer/ports/0': minimum: got 0, want 1"),
        ("crds.keep=maybe", "at '/crds/keep': got string, want boolean"),
    ],
)
def test_invalid_value_refused(setting: str, message: str) -> None:
    """An invalid value is refused by name."""
    done = template(setting)
    assert done.returncode != 0
    assert message in done.stderr


def test_old_kubernetes_refused() -> None:
    """A Kubernetes version that is too old is refused."""
    done = template(kube_version="1.30.9")
    assert done.returncode != 0 and "1.31" in done.stderr


def test_usable_as_dependency() -> None:
    """Global values of a parent chart are accepted."""
    assert render("global.team=platform")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ((), ["manages every namespace", "kubectl -n freehold-system rollout status deployment/freehold"]),
        (("namespaces={shop,accounts}",), ["the namespaces shop, accounts", "kubectl -n shop apply"]),
        (("networkPolicy.enabled=false",), ["no NetworkPolicy"]),
        (("crds.keep=false",), ["Take care: crds.keep is false"]),
    ],
)
def test_notes(settings: tuple[str, ...], expected: list[str]) -> None:
    """The notes name the next steps for the given values."""
    sets = [part for setting in settings for part in ("--set", setting)]
    where = ["--namespace", "freehold-system", "--dry-run=client"]
    done = run("install", "freehold", str(CHART), *where, *sets)
    notes = " ".join(done.stdout.partition("NOTES:")[2].split())
    assert done.returncode == 0, done.stderr
    assert [words for words in expected if words not in notes] == []


def test_notes_example_valid() -> None:
    """The Microservice in the notes is accepted by the models."""
    text = (CHART / "templates/NOTES.txt").read_text()
    example = text.partition("<<'EOF'\n")[2].partition("  EOF")[0]
    body = yaml.safe_load(example)
    Microservice.model_validate(body)
