"""A mutating admission webhook in a namespace of its own, which changes what is written in other namespaces."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.e2e.support.cluster import Object, Space
from tests.e2e.support.microservices import IMAGES
from tests.e2e.support.pod_exec import PYTHON

NAME = "mutator"
PROGRAM = Path(__file__).with_name("programs") / "pod_mutator.py"
LABEL = "kubernetes.io/metadata.name"
PODS: Object = {"apiGroups": [""], "resources": ["pods"], "operations": ["CREATE"]}
WRITTEN: Object = {
    "apiGroups": ["", "apps", "batch", "networking.k8s.io", "policy"],
    "resources": [
        "configmaps",
        "deployments",
        "jobs",
        "networkpolicies",
        "persistentvolumeclaims",
        "poddisruptionbudgets",
        "secrets",
        "statefulsets",
    ],
    "operations": ["CREATE", "UPDATE"],
}
RULES: dict[str, Object] = {
    "last": PODS,
    "first": PODS,
    "slow": PODS,
    "ttl": {"apiGroups": ["batch"], "resources": ["jobs"], "operations": ["CREATE"]},
    "write": WRITTEN,
}
"""The requests that a change applies to."""


@contextmanager
def mutated(hooks: Space, space: Space, *changes: str) -> Iterator[None]:
    """Run the webhook in namespace `hooks` and change what is written in `space`, for the duration of the block."""
    certificate, key = _certificate(f"{NAME}.{hooks.name}.svc")
    labels = {"metadata": {"name": NAME, "labels": {"app": NAME}}}
    hooks.apply(
        {"apiVersion": "v1", "kind": "Secret", **labels, "stringData": {"tls.crt": certificate, "tls.key": key}},
        {"apiVersion": "v1", "kind": "ConfigMap", **labels, "data": {PROGRAM.name: PROGRAM.read_text()}},
        {
            "apiVersion": "v1",
            "kind": "Service",
            **labels,
            "spec": {"selector": {"app": NAME}, "ports": [{"port": 443, "targetPort": 8443}]},
        },
        {"apiVersion": "v1", "kind": "Pod", **labels, "spec": _pod()},
    )
    hooks.kubectl("wait", f"pod/{NAME}", "--for=condition=Ready", "--timeout=60s")
    webhooks = [_webhook(hooks.name, space.name, change, certificate) for change in changes]
    kind, metadata = "MutatingWebhookConfiguration", {"name": space.name}
    registration = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": metadata,
        "webhooks": webhooks,
    }
    space.cluster.apply(registration)
    try:
        yield
    finally:
        space.cluster.kubectl("delete", kind, space.name, "--wait=false")


def _webhook(hooks: str, namespace: str, change: str, certificate: str) -> Object:
    service = {"namespace": hooks, "name": NAME, "path": f"/{change}"}
    return {
        "name": f"{change}.freehold.test",
        "rules": [{**RULES[change], "apiVersions": ["v1"]}],
        "clientConfig": {"service": service, "caBundle": base64.b64encode(certificate.encode()).decode()},
        "namespaceSelector": {"matchLabels": {LABEL: namespace}},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }


def _pod() -> Object:
    hardened = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True}
    return {
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "fsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": NAME,
                "image": IMAGES["users"],
                "imagePullPolicy": "IfNotPresent",
                "command": [PYTHON, "-u", f"/program/{PROGRAM.name}"],
                "env": [{"name": "AGENT_IMAGE", "value": IMAGES["users"]}],
                "readinessProbe": {"tcpSocket": {"port": 8443}, "periodSeconds": 1},
                "securityContext": hardened,
                "volumeMounts": [
                    {"name": "program", "mountPath": "/program"},
                    {"name": "tls", "mountPath": "/tls"},
                ],
            }
        ],
        "volumes": [
            {"name": "program", "configMap": {"name": NAME}},
            {"name": "tls", "secret": {"secretName": NAME, "defaultMode": 0o440}},
        ],
    }


def _certificate(host: str) -> tuple[str, str]:
    """Return a certificate for a host, signed by itself, and its key, both PEM."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mutator")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), private.decode()
