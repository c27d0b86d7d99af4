"""Settings from environment variables."""

from __future__ import annotations

from pathlib import Path

import pytest
from freehold.controller.settings import Settings, from_environment
from freehold.core.model.dns import Dns
from freehold.core.model.resources import Platform
from freehold.monitors.dns import DnsSettings

HOME = "freehold-system"
POD = {"apiVersion": "v1", "kind": "Pod", "namespace": "ops", "name": "mine-1", "uid": "1"}
ELSEWHERE = Platform(
    operator_image="mirror/operator:1",
    account="ops:mine",
    secrets_role="mine-secrets",
    trust_domain="shop.example",
)


@pytest.mark.parametrize(
    ("says", "environment", "expected"),
    [
        ("no variables", {}, Settings((), HOME, {}, "", Platform(), "INFO")),
        ("empty namespaces mean all", {"FREEHOLD_NAMESPACES": " , "}, Settings((), HOME, {}, "", Platform(), "INFO")),
        (
            "two namespaces, with spaces",
            {"FREEHOLD_NAMESPACES": "shop, accounts,"},
            Settings(("shop", "accounts"), HOME, {}, "", Platform(), "INFO"),
        ),
        (
            "an image and a log level",
            {"FREEHOLD_POSTGRESQL_IMAGE": "mirror/postgres:{version}-1", "FREEHOLD_LOG_LEVEL": "debug"},
            Settings((), HOME, {}, "", Platform("mirror/postgres:{version}-1"), "DEBUG"),
        ),
        (
            "all other variables",
            {
                "FREEHOLD_HOME": "ops",
                "FREEHOLD_SERVICE_ACCOUNT": "mine",
                "FREEHOLD_SECRETS_ROLE": "mine-secrets",
                "FREEHOLD_IMAGE": "mirror/operator:1",
                "FREEHOLD_CANARIES": "canaries.ops.svc",
                "FREEHOLD_TRUST_DOMAIN": "shop.example",
                "FREEHOLD_POD": "mine-1",
                "FREEHOLD_POD_UID": "1",
                "FREEHOLD_LEASE": "mine",
            },
            Settings((), "ops", POD, "canaries.ops.svc", ELSEWHERE, "INFO", "mine"),
        ),
    ],
)
def test_settings_read(says: str, environment: dict[str, str], expected: Settings) -> None:
    """Each variable has its setting, with defaults."""
    assert from_environment(environment) == expected, says


def test_image_without_version_refused() -> None:
    """An image without {version} is refused."""
    with pytest.raises(ValueError, match=r"must contain \{version\}"):
        from_environment({"FREEHOLD_POSTGRESQL_IMAGE": "postgres:15"})


KUBELET = """search freehold-system.svc.shop.example svc.shop.example shop.example
nameserver 10.96.0.10
nameserver fd00::a
nameserver fe80::1%eth0
options ndots:5
"""


def resolver(folder: Path, text: str) -> Path:
    (folder / "resolv.conf").write_text(text)
    return folder / "resolv.conf"


def test_dns_of_resolver(tmp_path: Path) -> None:
    """The cluster domain and the nameservers are those that the kubelet writes for each pod."""
    settings = from_environment({}, resolver(tmp_path, KUBELET))
    assert settings.platform.cluster_domain == "shop.example"
    assert settings.dns.nameservers == ("10.96.0.10", "fd00::a"), "an address with a zone is of no use in a policy"
    assert settings.dns.name == "kubernetes.default.svc.shop.example."
    assert settings.dns.given == settings.platform.dns == Dns() and not settings.dns.labels_given


def test_dns_of_chart(tmp_path: Path) -> None:
    """The chart's values replace what is found."""
    environment = {
        "FREEHOLD_CLUSTER_DOMAIN": "other.example",
        "FREEHOLD_DNS_NAMESPACE": "openshift-dns",
        "FREEHOLD_DNS_POD_LABELS": "dns.operator.openshift.io/daemonset-dns=default",
        "FREEHOLD_DNS_PORTS": "5353",
        "FREEHOLD_DNS_ADDRESSES": "",
    }
    settings = from_environment(environment, resolver(tmp_path, KUBELET))
    assert settings.platform.cluster_domain == "other.example"
    assert settings.dns.name == "kubernetes.default.svc.other.example."
    labels = {"dns.operator.openshift.io/daemonset-dns": "default"}
    assert settings.dns.given == Dns("openshift-dns", labels, (5353,), ()) and settings.dns.labels_given


@pytest.mark.parametrize("text", ["", "nameserver 192.0.2.53\nsearch corp.example\n", "search\nnameserver\n"])
def test_dns_outside_a_pod(tmp_path: Path, text: str) -> None:
    """The resolv.conf of another machine says nothing about pods."""
    settings = from_environment({}, resolver(tmp_path, text))
    assert (settings.platform.cluster_domain, settings.dns) == ("cluster.local", DnsSettings())


def test_dns_address_refused() -> None:
    """An address that is none is refused."""
    with pytest.raises(ValueError, match="does not appear to be an IPv4 or IPv6 address"):
        from_environment({"FREEHOLD_DNS_ADDRESSES": "kube-dns"})
