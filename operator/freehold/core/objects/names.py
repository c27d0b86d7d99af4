"""The names of all objects, hosts, files and variables that Freehold creates.

A Microservice's name has at most 40 characters and never contains `-database` (the API server refuses others), so no
derived name is too long (a StatefulSet's pods carry a label of at most 63 characters) and no two services collide.
"""

from __future__ import annotations

import re

from freehold.core.model import remote
from freehold.core.model.resources import Key

PORT_PROGRESS = 9404
"""The port of the database proxy for the progress of a move."""
RECORDED = "recorded"
"""The file of the database's configuration with the name of the pod whose volume is known to hold the data. Its server
does not start on an empty volume."""
BINDING_ROOT = "/bindings"
IDENTITY_ROOT = "/identity"
SERVICE_CONFIG = "service-config"
"""The file with gRPC's service config in the binding of a consumed service."""
LAST_PORT = 65535
REMOTE_SUFFIX = "-remote"
CA_FILE = "ca.crt"
"""The file with the trusted certificate authorities, in a binding or beside a certificate."""


def database(service: str) -> str:
    """The StatefulSet, the client Service, the ServiceAccount and the binding Secret of a service's database."""
    return f"{service}-database"


def database_nodes(service: str) -> str:
    """The headless Service that gives the database pods DNS names."""
    return f"{service}-database-nodes"


def database_volume(service: str) -> str:
    """The claim of the first database instance."""
    return f"{service}-database-data"


def database_configuration(service: str) -> str:
    """The ConfigMap with the database server's start script and access rules."""
    return f"{service}-database-configuration"


def instance(service: str, number: int) -> str:
    """The StatefulSet of a database instance. The first instance has number 1; each move adds another."""
    return database(service) if number == 1 else f"{database(service)}-{number}"


def instance_pod(service: str, number: int) -> str:
    """The only pod of a database instance."""
    return f"{instance(service, number)}-0"


def is_instance_pod(service: str, name: str) -> bool:
    """Return whether a name is that of a database instance's pod, not of the database proxy or a Job."""
    return re.fullmatch(rf"{re.escape(database(service))}(-[0-9]+)?-0", name) is not None


def instance_host(service: str, namespace: str, number: int) -> str:
    """The DNS name of a database instance, whether primary or standby."""
    pod = instance_pod(service, number)
    hostname = remote_name(pod) if remote.is_remote(namespace) else pod
    return f"{hostname}.{host(database_nodes(service), namespace)}"


def remote_name(name: str) -> str:
    """The local name of a remote cluster's object: the host of a pod, or the EndpointSlice of a service's pods."""
    return f"{name}{REMOTE_SUFFIX}"


def as_counterpart_calls(host: str) -> str:
    """The host of a database instance from the remote cluster's point of view."""
    pod, _, rest = host.partition(".")
    return f"{pod.removesuffix(REMOTE_SUFFIX) if pod.endswith(REMOTE_SUFFIX) else remote_name(pod)}.{rest}"


def instance_volume(service: str, number: int) -> str:
    """The claim of a database instance."""
    return database_volume(service) if number == 1 else f"{database_volume(service)}-{number}"


def proxy(service: str) -> str:
    """The StatefulSet of the database proxy, in front of both instances during a move."""
    return f"{service}-database-proxy"


def proxy_pod(service: str) -> str:
    """The only pod of the database proxy."""
    return f"{proxy(service)}-0"


def switchover_job(service: str, digest: str) -> str:
    """The Job of a switchover."""
    return f"{service}-switchover-{digest}"


def owner_secret(service: str) -> str:
    """The Secret of the role that owns the schema, mounted only by migrations."""
    return f"{service}-database-owner"


def server_secret(service: str) -> str:
    """The Secret with the passwords of all roles, mounted only by the database server."""
    return f"{service}-database-server"


def server_certificate(service: str) -> str:
    """The Secret with the database server's certificate and key."""
    return f"{service}-database-tls"


def read_by_counterpart(service: str) -> tuple[str, ...]:
    """The Secrets that the other side of a move between clusters reads, by these names alone."""
    return server_secret(service), server_certificate(service)


def identity(service: str) -> str:
    """The Secret with the certificate of a service for mutual TLS."""
    return f"{service}-identity"


def clients(service: str) -> str:
    """The ConfigMap with the identities that may call a service by mutual TLS."""
    return f"{service}-consumers"


def migrations_job(service: str, digest: str) -> str:
    """The Job that migrates the schema, for an image, a command and a volume."""
    return f"{service}-migrations-{digest}"


def probe_job(service: str, digest: str) -> str:
    """The Job that attempts connections from the service's position."""
    return f"{service}-probe-{digest}"


def contract(service: str, digest: str) -> str:
    """The ConfigMap with the contract of an image."""
    return f"{service}-contract-{digest}"


def is_contract(service: str, name: str) -> bool:
    """Return whether a ConfigMap of the service holds a contract."""
    return name.startswith(f"{service}-contract-")


def contract_job(service: str, digest: str) -> str:
    """The Job that reads the contract of an image."""
    return f"{service}-contract-{digest}"


def contract_policy(service: str) -> str:
    """The network policy of contract readers. The dot prevents a collision with a service's name."""
    return f"{service}.contract"


def migrations(service: str) -> str:
    """The network policy of migration pods. A service may be named `users-migrations`, hence `-database-`."""
    return f"{service}-database-migrations"


def callers(service: str) -> str:
    """The ConfigMap with consumers and their pod addresses, for another cluster."""
    return f"{service}-callers"


def consumed(service: str) -> str:
    """The ConfigMap with the addresses of consumed services."""
    return f"{service}-consumes"


def host(name: str, namespace: str) -> str:
    """The DNS name of a Service. For a remote namespace: the name of the local Service that redirects there."""
    return f"{name}.{remote.local_name(namespace)}.svc"


def address(host: str, port: int) -> str:
    """Host and port; an IPv6 address in brackets (RFC 3986, 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def hosts(name: str, namespace: str, domain: str) -> tuple[str, ...]:
    """The DNS names of a Service that clients may use, for certificates. domain: of the cluster.

    Without shorter names: the owner of a namespace `com` would get a certificate for a host of the internet.
    """
    short = host(name, namespace)
    return short, f"{short}.{domain}"


def endpoint(provider: Key, port: int) -> str:
    """The gRPC address of a service, `host:port`; constant while the port is."""
    return f"{host(provider.name, provider.namespace)}:{port}"


def target(provider: Key, port: int) -> str:
    """The gRPC target of a service, which clients resolve to all pods (grpc.io, 'Custom Name Resolution')."""
    return f"dns:///{endpoint(provider, port)}"


def spiffe_id(trust_domain: str, service: Key) -> str:
    """The identity of a service in certificates (SPIFFE-ID, section 2; the path as usual for ServiceAccounts)."""
    return f"spiffe://{trust_domain}/ns/{remote.local_name(service.namespace)}/sa/{service.name}"


def health_port(grpc: int, http: int | None) -> int:
    """The port for health checks of a service with mutual TLS, since the kubelet uses no TLS; next to the own ports."""
    return next(port for port in (grpc + 1, grpc + 2, grpc - 1, grpc - 2) if port <= LAST_PORT and port != http)


def tls_variable(provider: str) -> str:
    """The environment variable with the TLS mode of a consumed service."""
    return f"{provider.upper().replace('-', '_')}_GRPC_TLS"


def target_variable(provider: str) -> str:
    """The environment variable with the gRPC target of a consumed service."""
    return f"{provider.upper().replace('-', '_')}_GRPC_TARGET"
