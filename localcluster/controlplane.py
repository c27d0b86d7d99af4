"""The commands of the control plane's programs: etcd, API server, controller manager, scheduler."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from . import audit, paths
from .certificates import FRONT_PROXY_AUTHORITY, SERVICE_ACCOUNT_KEY, Identity
from .network import SERVICES

ADMINISTRATORS = "system:masters"
API_NAMES = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)
CONTROLLER_MANAGER = "kube-controller-manager"
SCHEDULER = "kube-scheduler"


@dataclass(frozen=True)
class ControlPlane:
    """The addresses and files of a control plane. etcd's client port serves the API server only."""

    root: Path
    pki: Path
    address: str
    port: int
    etcd_port: int
    etcd_peer_port: int
    audit_log: Path | None = None

    @property
    def url(self) -> str:
        return f"https://{self.address}:{self.port}"

    def kubeconfig(self, identity: str) -> Path:
        return self.root / f"{identity}.kubeconfig"


def identities(*addresses: str) -> list[Identity]:
    """Return the identities of a control plane that serves on these addresses."""
    return [
        Identity("apiserver", "kube-apiserver", hosts=(*API_NAMES, str(SERVICES[1]), "127.0.0.1", *addresses)),
        Identity("apiserver-kubelet-client", "kube-apiserver-kubelet-client", (ADMINISTRATORS,)),
        Identity("front-proxy-client", "front-proxy-client", authority=FRONT_PROXY_AUTHORITY),
        Identity("admin", "freehold-administrator", (ADMINISTRATORS,)),
        Identity(CONTROLLER_MANAGER, f"system:{CONTROLLER_MANAGER}"),
        Identity(SCHEDULER, f"system:{SCHEDULER}"),
    ]


def etcd(plane: ControlPlane) -> list[str]:
    """Return the command of etcd. Writes are not synced to disk: a power failure may lose this development cluster."""
    client, peer = (f"http://127.0.0.1:{port}" for port in (plane.etcd_port, plane.etcd_peer_port))
    return [
        str(paths.tools_bin() / "etcd"),
        "--name=freehold",
        f"--data-dir={plane.root / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=freehold={peer}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def apiserver(plane: ControlPlane) -> list[str]:
    """Return the command of the API server; Pod Security and admission policies are on by default."""
    pki = plane.pki
    return [
        str(paths.tools_bin() / "kube-apiserver"),
        f"--bind-address={'127.0.0.1' if plane.address == '127.0.0.1' else '0.0.0.0'}",
        f"--advertise-address={plane.address}",
        f"--secure-port={plane.port}",
        f"--etcd-servers=http://127.0.0.1:{plane.etcd_port}",
        f"--service-cluster-ip-range={SERVICES}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--kubelet-certificate-authority={pki / 'ca.crt'}",
        f"--kubelet-client-certificate={pki / 'apiserver-kubelet-client.crt'}",
        f"--kubelet-client-key={pki / 'apiserver-kubelet-client.key'}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--requestheader-client-ca-file={pki / f'{FRONT_PROXY_AUTHORITY}.crt'}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={pki / 'front-proxy-client.crt'}",
        f"--proxy-client-key-file={pki / 'front-proxy-client.key'}",
        # The API server connects to pods of extension servers and webhooks: the control plane has no kube-proxy.
        "--enable-aggregator-routing=true",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={pki / f'{SERVICE_ACCOUNT_KEY}.pub'}",
        f"--service-account-signing-key-file={pki / f'{SERVICE_ACCOUNT_KEY}.key'}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        "--profiling=false",
        *(audit.options(plane.audit_log, plane.root / "audit-policy.yaml") if plane.audit_log else ()),
    ]


def controller_manager(plane: ControlPlane) -> list[str]:
    return [
        *_client(plane, CONTROLLER_MANAGER),
        f"--service-account-private-key-file={plane.pki / f'{SERVICE_ACCOUNT_KEY}.key'}",
        f"--root-ca-file={plane.pki / 'ca.crt'}",
        f"--cluster-signing-cert-file={plane.pki / 'ca.crt'}",
        f"--cluster-signing-key-file={plane.pki / 'ca.key'}",
        "--use-service-account-credentials=true",
    ]


def scheduler(plane: ControlPlane) -> list[str]:
    return _client(plane, SCHEDULER)


def _client(plane: ControlPlane, program: str) -> list[str]:
    """Return the flags of both clients. There is one instance of each; leader election would only delay the start."""
    kubeconfig = plane.kubeconfig(program)
    return [
        str(paths.tools_bin() / program),
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        "--profiling=false",
    ]
