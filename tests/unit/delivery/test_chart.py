"""The chart: objects of a release, security of the operator's pod, and refused values."""

from __future__ import annotations

from pathlib import Path

import yaml
from freehold.agents.canary import CLOSED_PORT, OPEN_PORT
from freehold.api.crd import custom_resource_definition
from freehold.controller.settings import from_environment
from freehold.core.isolation import dns
from freehold.core.model.dns import Dns
from freehold.kube import cluster_registry
from freehold.kube.cluster_registry import CONFIG_MAP

from hack.generate import CHART
from tests.unit.core.worlds import AUTHORITY
from tests.unit.delivery.helm import Object, of_kind, render, run, the

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


def test_two_operators_with_probes() -> None:
    """Two operators share a Lease, on different nodes if possible, with probes and a memory limit."""
    objects = render()
    deployment = the(objects, "Deployment")["spec"]
    spec = deployment["template"]["spec"]
    (container,) = spec["containers"]
    assert deployment["replicas"] == 2
    assert deployment["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    (apart,) = spec["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    selector = deployment["selector"]
    assert apart["podAffinityTerm"] == {"topologyKey": "kubernetes.io/hostname", "labelSelector": selector}
    budget = the(objects, "PodDisruptionBudget")["spec"]
    assert (budget["maxUnavailable"], budget["selector"]) == (1, selector)
    ports = [{"name": "health", "containerPort": 8080}, {"name": "metrics", "containerPort": 8081}]
    assert container["ports"] == ports
    for probe in ("startupProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/healthz", "port": "health"}
    assert container["resources"]["limits"]["memory"]


def test_one_operator() -> None:
    """A single operator keeps its Lease, for the time of an upgrade, and has no disruption budget."""
    objects = render("replicas=1", "affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution={}")
    assert the(objects, "Deployment")["spec"]["replicas"] == 1
    assert list(pod(objects)["affinity"]) == ["nodeAffinity"]
    assert {"name": "FREEHOLD_LEASE", "value": "freehold"} in pod(objects)["containers"][0]["env"]
    assert not of_kind(objects, "PodDisruptionBudget")


def test_metrics_scraped() -> None:
    """The policy admits the named scrapers, to the port of the metrics alone; without a port there are none."""
    monitoring = "namespaceSelector.matchLabels.kubernetes\\.io/metadata\\.name=monitoring"
    policy = the(render(f"metrics.scrapers[0].{monitoring}", "metrics.port=9000"), "NetworkPolicy")["spec"]
    admitted = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    assert policy["ingress"] == [{"from": [admitted], "ports": [{"protocol": "TCP", "port": "metrics"}]}]
    objects = render("metrics.port=0", f"metrics.scrapers[0].{monitoring}")
    (container,) = pod(objects)["containers"]
    assert the(objects, "NetworkPolicy")["spec"]["ingress"] == []
    assert [port["name"] for port in container["ports"]] == ["health"]
    assert "FREEHOLD_METRICS_PORT" not in {entry["name"] for entry in container["env"]}


def test_settings_passed() -> None:
    """Values reach the operator as environment variables."""
    (container,) = pod(render("logLevel=debug", "postgresql.image=postgres:{version}"))["containers"]
    assert {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry} == {
        "FREEHOLD_LEASE": "freehold",
        "FREEHOLD_METRICS_PORT": "8081",
        "FREEHOLD_NAMESPACES": "",
        "FREEHOLD_SECRETS_ROLE": "freehold-secrets",
        "FREEHOLD_TRUST_DOMAIN": "cluster.local",
        "FREEHOLD_CLUSTER_DOMAIN": "",
        "FREEHOLD_DNS_NAMESPACE": "kube-system",
        "FREEHOLD_DNS_POD_LABELS": "",
        "FREEHOLD_DNS_PORTS": "",
        "FREEHOLD_DNS_ADDRESSES": "169.254.20.10,169.254.25.10",
        "FREEHOLD_IMAGE": "localhost/freehold/operator:0.1.0",
        "FREEHOLD_CANARIES": "freehold-canary.freehold-system.svc",
        "FREEHOLD_POSTGRESQL_IMAGE": "postgres:{version}",
        "FREEHOLD_DATABASES_AT_ONCE": "1",
        "FREEHOLD_LOG_LEVEL": "debug",
    }


def test_image_tag_is_the_version() -> None:
    """Without a tag, the image is that of the chart's version; a tag replaces the version."""
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    for settings, tag in (((), version), (("image.tag=dev",), "dev")):
        (container,) = pod(render(*settings))["containers"]
        assert container["image"] == f"localhost/freehold/operator:{tag}"


def test_clusters_registered(tmp_path: Path) -> None:
    """The registered clusters are a ConfigMap that the operator can read; without a cluster there is none."""
    assert not [body for body in of_kind(render(), "ConfigMap") if body["metadata"]["name"] == CONFIG_MAP]
    west = {"server": "https://west.example:6443", "certificateAuthority": AUTHORITY.public.trusted}
    values = {"clusters": {"west": {**west, "podCIDRs": ["10.2.0.0/16"]}}, "localCIDRs": ["10.1.0.0/16"]}
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(values))
    config_map = the(render(values=str(tmp_path / "values.yaml")), "ConfigMap", CONFIG_MAP)
    registry = cluster_registry.parse(config_map)
    assert registry.cluster("west").certificate_authority == west["certificateAuthority"]
    assert [str(block) for block in registry.local_cidrs] == ["10.1.0.0/16"]


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


def test_dns_elsewhere() -> None:
    """Values say where DNS is, to the operator and in its own policy, with addresses of both families."""
    label = "dns\\.operator\\.openshift\\.io/daemonset-dns=default"
    objects = render(
        "dns.namespace=openshift-dns",
        f"dns.podLabels.{label}",
        "dns.ports={5353}",
        "dns.addresses={192.0.2.53,fd00::a}",
    )
    rule, *_ = the(objects, "NetworkPolicy")["spec"]["egress"]
    (container,) = pod(objects)["containers"]
    given = {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}
    where = from_environment(given, Path("/nowhere")).dns.given
    assert where == Dns(
        "openshift-dns", {"dns.operator.openshift.io/daemonset-dns": "default"}, (5353,), ("192.0.2.53", "fd00::a")
    )
    assert rule == dns.rule(where)


def test_dns_of_any_pod_by_default() -> None:
    """Without labels, the operator's own pods reach each pod of the namespace, since a Service may lead to others."""
    rule, *_ = the(render(), "NetworkPolicy")["spec"]["egress"]
    assert rule["to"] == [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}},
        {"ipBlock": {"cidr": "169.254.20.10/32"}},
        {"ipBlock": {"cidr": "169.254.25.10/32"}},
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
