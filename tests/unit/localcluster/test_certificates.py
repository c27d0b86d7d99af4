"""Tests of the cluster's certificates and kubeconfigs."""

from __future__ import annotations

import base64
import ipaddress
import stat
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.x509.oid import NameOID

from localcluster import certificates, controlplane


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_api_server_certificate_hosts(tmp_path: Path) -> None:
    """The API server's certificate has its DNS names and addresses and is signed by the cluster CA."""
    assert certificates.ensure(tmp_path / "pki", controlplane.identities("198.51.100.2"))
    server = read(tmp_path / "pki" / "apiserver.crt")
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = names.get_values_for_type(x509.IPAddress)
    assert ipaddress.ip_address("198.51.100.2") in addresses
    assert ipaddress.ip_address("10.96.0.1") in addresses
    assert "kubernetes.default.svc" in names.get_values_for_type(x509.DNSName)
    server.verify_directly_issued_by(read(tmp_path / "pki" / "ca.crt"))


def test_front_proxy_has_own_authority(tmp_path: Path) -> None:
    """The front proxy's certificate is signed by a CA of its own."""
    certificates.ensure(tmp_path / "pki", controlplane.identities("198.51.100.2"))
    proxy = read(tmp_path / "pki" / "front-proxy-client.crt")
    proxy.verify_directly_issued_by(read(tmp_path / "pki" / "front-proxy-ca.crt"))
    assert proxy.issuer != read(tmp_path / "pki" / "ca.crt").subject


def test_client_certificate_subject(tmp_path: Path) -> None:
    """A client certificate has the user as common name and the groups as organizations."""
    certificates.ensure(tmp_path / "pki", [certificates.Identity("kubelet", "system:node:a", ("system:nodes",))])
    subject = read(tmp_path / "pki" / "kubelet.crt").subject
    assert subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "system:node:a"
    assert subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "system:nodes"


def test_ensure_recreates_for_other_address(tmp_path: Path) -> None:
    """A set is created once, and again for another address."""
    pki = tmp_path / "pki"
    certificates.ensure(pki, controlplane.identities("198.51.100.2"))
    authority = (pki / "ca.crt").read_bytes()
    assert not certificates.ensure(pki, controlplane.identities("198.51.100.2"))
    assert (pki / "ca.crt").read_bytes() == authority
    assert certificates.ensure(pki, controlplane.identities("198.51.100.6"))
    assert (pki / "ca.crt").read_bytes() != authority


def test_ensure_recreates_incomplete_set(tmp_path: Path) -> None:
    """An incomplete set is created again."""
    pki = tmp_path / "pki"
    wanted = controlplane.identities("198.51.100.2")
    certificates.ensure(pki, wanted)
    (pki / "identities.json").unlink()
    (pki / "apiserver.key").unlink()
    assert certificates.ensure(pki, wanted)
    assert (pki / "apiserver.key").exists()


def test_private_files_mode(tmp_path: Path) -> None:
    """Keys and kubeconfigs are readable by the owner only."""
    pki = tmp_path / "pki"
    certificates.ensure(pki, controlplane.identities("198.51.100.2"))
    certificates.write_kubeconfig(tmp_path / "kubeconfig", pki, "admin", "https://198.51.100.2:6443", "freehold")
    for path in (*pki.glob("*.key"), tmp_path / "kubeconfig"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    config = yaml.safe_load((tmp_path / "kubeconfig").read_text())
    assert config["clusters"][0]["cluster"]["server"] == "https://198.51.100.2:6443"
    certificate = base64.b64decode(config["users"][0]["user"]["client-certificate-data"])
    assert certificate == (pki / "admin.crt").read_bytes()
