"""Every name Freehold gives, each made once, here.

A Microservice's name is at most 40 characters and never contains `-database` (the API server refuses others), so no
derived name is too long (a StatefulSet's pods carry a label of at most 63 characters) and no two services collide.
"""

from __future__ import annotations

import re

from freehold.core.model import remote
from freehold.core.model.resources import Key

PORT_PROGRESS = 9404
"""Where the door of a move tells how far it is."""
BINDING_ROOT = "/bindings"
IDENTITY_ROOT = "/identity"
SERVICE_CONFIG = "service-config"
"""The file, in the binding of a consumed service, that tells gRPC how to call it."""
LAST_PORT = 65535
REMOTE_SUFFIX = "-remote"
CA_FILE = "ca.crt"
"""The file, in a binding or beside a certificate, with the certificate authorities to trust."""


def database(service: str) -> str:
    """The StatefulSet, the client Service, the ServiceAccount and the binding Secret of a service's database."""
    return f"{service}-database"


def database_nodes(service: str) -> str:
    """The headless Service that gives the server's pods their names."""
    return f"{service}-database-nodes"


def database_volume(service: str) -> str:
    """The claim of the volume that holds the data."""
    return f"{service}-database-data"


def database_configuration(service: str) -> str:
    """The ConfigMap with the server's start script and access rules."""
    return f"{service}-database-configuration"


def instance(service: str, number: int) -> str:
    """The StatefulSet of one of a service's database servers; after a move it is not the first."""
    return database(service) if number == 1 else f"{database(service)}-{number}"


def instance_pod(service: str, number: int) -> str:
    """The one pod of such a server."""
    return f"{instance(service, number)}-0"


def is_instance_pod(service: str, name: str) -> bool:
    """Whether a pod is the one of a database instance, and not the proxy's or a Job's."""
    return re.fullmatch(rf"{re.escape(database(service))}(-[0-9]+)?-0", name) is not None


def instance_host(service: str, namespace: str, number: int) -> str:
    """Where one server is reached by those who mean this very one, whoever holds the data."""
    pod = instance_pod(service, number)
    named = remote_name(pod) if remote.is_remote(namespace) else pod
    return f"{named}.{host(database_nodes(service), namespace)}"


def remote_name(name: str) -> str:
    """What is called so in another cluster, and has another name here: a pod; what leads to a service's pods there."""
    return f"{name}{REMOTE_SUFFIX}"


def as_counterpart_calls(host: str) -> str:
    """The host of a server as the other cluster calls it."""
    pod, _, rest = host.partition(".")
    return f"{pod.removesuffix(REMOTE_SUFFIX) if pod.endswith(REMOTE_SUFFIX) else remote_name(pod)}.{rest}"


def instance_volume(service: str, number: int) -> str:
    """The claim of a server's volume."""
    return database_volume(service) if number == 1 else f"{database_volume(service)}-{number}"


def proxy(service: str) -> str:
    """The StatefulSet that stands before the servers during a move; no other of a service's is named so."""
    return f"{service}-database-proxy"


def proxy_pod(service: str) -> str:
    """The one pod of it."""
    return f"{proxy(service)}-0"


def switchover_job(service: str, digest: str) -> str:
    """The Job that has one server take over from another."""
    return f"{service}-switchover-{digest}"


def owner_secret(service: str) -> str:
    """The Secret of the role that owns the schema, for migrations alone."""
    return f"{service}-database-owner"


def server_secret(service: str) -> str:
    """The Secret with every role's password, mounted by the server alone."""
    return f"{service}-database-server"


def server_certificate(service: str) -> str:
    """The Secret with the database server's certificate and key."""
    return f"{service}-database-tls"


def identity(service: str) -> str:
    """The Secret with the certificate by which a service proves who it is, where calls are mutually authenticated."""
    return f"{service}-identity"


def clients(service: str) -> str:
    """The ConfigMap with the identities that may call a service which asks for them."""
    return f"{service}-consumers"


def migrations_job(service: str, digest: str) -> str:
    """The Job that brings the schema up to date for one image and command on one volume."""
    return f"{service}-migrations-{digest}"


def probe_job(service: str, digest: str) -> str:
    """The Job that tries, from where the service stands, whom it reaches."""
    return f"{service}-probe-{digest}"


def contract(service: str, digest: str) -> str:
    """The ConfigMap with what one image of a service offers."""
    return f"{service}-contract-{digest}"


def is_contract(service: str, name: str) -> bool:
    """Whether a ConfigMap of the service's holds a contract."""
    return name.startswith(f"{service}-contract-")


def contract_job(service: str, digest: str) -> str:
    """The Job that asks an image what it offers."""
    return f"{service}-contract-{digest}"


def contract_policy(service: str) -> str:
    """The network policy of the pods that are asked; with a dot, which no service's name has."""
    return f"{service}.contract"


def migrations(service: str) -> str:
    """The network policy of the migration pods; a service may itself be named `users-migrations`."""
    return f"{service}-database-migrations"


def callers(service: str) -> str:
    """The ConfigMap that tells another cluster who may call the service, and from where."""
    return f"{service}-callers"


def consumed(service: str) -> str:
    """The ConfigMap with the addresses of the services it consumes."""
    return f"{service}-consumes"


def host(name: str, namespace: str) -> str:
    """The DNS name of a Service, in the form that every pod of the cluster resolves; of one of another cluster, of that
    which leads there."""
    return f"{name}.{remote.local_name(namespace)}.svc"


def hosts(name: str, namespace: str) -> tuple[str, ...]:
    """Every DNS name of a Service that a client may reasonably use."""
    short = host(name, namespace)
    return short, f"{short}.cluster.local", f"{name}.{remote.local_name(namespace)}", name


def endpoint(provider: Key, port: int) -> str:
    """Where a service's gRPC is reached; this never changes while the port does not."""
    return f"{host(provider.name, provider.namespace)}:{port}"


def target(provider: Key, port: int) -> str:
    """The same for a gRPC client, which resolves it to every pod (grpc.io, 'Custom Name Resolution')."""
    return f"dns:///{endpoint(provider, port)}"


def spiffe_id(trust_domain: str, service: Key) -> str:
    """Who a service is, in its certificate (SPIFFE-ID, 2; the path is the one that is usual for ServiceAccounts)."""
    return f"spiffe://{trust_domain}/ns/{remote.local_name(service.namespace)}/sa/{service.name}"


def health_port(grpc: int, http: int | None) -> int:
    """Where a service that speaks TLS answers the kubelet's health checks, which do not: beside its own ports."""
    return next(port for port in (grpc + 1, grpc + 2, grpc - 1, grpc - 2) if port <= LAST_PORT and port != http)


def tls_variable(provider: str) -> str:
    """The environment variable that says how a consumed service is spoken to."""
    return f"{provider.upper().replace('-', '_')}_GRPC_TLS"


def target_variable(provider: str) -> str:
    """The environment variable that holds a consumed service's gRPC target."""
    return f"{provider.upper().replace('-', '_')}_GRPC_TARGET"
