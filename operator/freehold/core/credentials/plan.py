"""The Secrets of the database roles, generated once and kept.

The service gets a role that may read and write rows, migrations get the role that owns the schema, and only the server
has all passwords. Secrets of retained data outlive the Microservice, so that a Microservice of the same name adopts the
data with working credentials.
"""

from __future__ import annotations

import base64

from freehold.api.v1alpha1.database import DeletionPolicy
from freehold.core import engines
from freehold.core.database import passwords, topology
from freehold.core.engines import Engine
from freehold.core.model import grants, remote
from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition, Reason, State, Type
from freehold.core.model.resources import Object, Plan, Ref, Service
from freehold.core.objects import meta, names
from freehold.core.peers import counterpart

CAPABILITY = "credentials"


def plan(case: Case) -> Plan:
    """Return the Secrets of the server, of the service and of the schema's owner."""
    database = case.spec.database
    if database is None:
        return Plan(CAPABILITY, ())
    if not case.observed.secrets_granted:
        message = grants.secrets_not_granted(case)
        return Plan(CAPABILITY, (), _condition(State.FALSE, Reason.SECRETS_NOT_GRANTED, message))
    engine = engines.of(database)
    if cause := _waits_for(case, engine):
        condition = _condition(State.UNKNOWN, Reason.WAITING_FOR_CONSENT, cause)
        return Plan(CAPABILITY, (), condition, _secrets(case.service))
    if passwords.is_arriving(case):
        return _arriving(case, engine)
    renewed = passwords.to_renew(case, engine.roles)
    values = {role: _existing(case, engine, role, renewed) or case.observed.passwords[role] for role in engine.roles}
    objects = (
        _server(case, values, passwords.shared(case, engine.roles) - renewed),
        _binding(case, engine, names.database(case.name), engine.roles.service, values),
        _binding(case, engine, names.owner_secret(case.name), engine.roles.owner, values),
    )
    message = f"bound by Secret {names.database(case.name)}; migrations use Secret {names.owner_secret(case.name)}"
    return Plan(CAPABILITY, objects, _condition(State.TRUE, Reason.IN_USE, message))


def _arriving(case: Case, engine: Engine) -> Plan:
    """Return the Secret of a standby of the counterpart's server: with the password for replication, and one that only
    the server's image asks for. The other passwords come with the data."""
    roles = engine.roles
    own = _existing(case, engine, roles.superuser) or case.observed.passwords[roles.superuser]
    replication = _decoded(passwords.lent(case)[roles.replication])
    values = {roles.replication: replication, roles.superuser: own}
    source = remote.describe(topology.primary(case).counterpart)
    message = f"the standby uses the password for replication from {source}; the others come with the data"
    server = _server(case, values, passwords.shared(case, roles))
    return Plan(CAPABILITY, (server,), _condition(State.TRUE, Reason.IN_USE, message))


def _waits_for(case: Case, engine: Engine) -> str:
    """Return why the credentials of data from another namespace are not available yet; empty if nothing is missing."""
    primary = topology.primary(case)
    secret = Ref("Secret", names.server_secret(case.name))
    if primary.counterpart and secret not in case.observed.counterpart:
        source_namespace = remote.describe(primary.counterpart)
        return f"the credentials come with the data: Freehold may not read Secrets in {source_namespace}"
    if passwords.is_awaited(case, engine.roles):
        return f"the credentials come with the data from {counterpart.of(case)}"
    source = None if primary.counterpart else topology.awaits_data_from(case)
    return f"the credentials come with the data from {source}" if source else ""


def _secrets(service: Service) -> frozenset[Ref]:
    listed = (names.server_secret(service.name), names.database(service.name), names.owner_secret(service.name))
    return frozenset(Ref("Secret", name) for name in listed)


def _condition(state: State, reason: Reason, message: str) -> Condition:
    return Condition(Type.CREDENTIALS_READY, state, reason, message)


def _existing(case: Case, engine: Engine, role: str, renewed: frozenset[str] = frozenset()) -> str | None:
    """Return the password in use, from the server's Secret or else from the binding Secret of the role.

    Data in another namespace keeps the credentials of the server in that namespace; renewed: roles that get another.
    """
    if role in renewed:
        return None
    bindings = {
        engine.roles.service: names.database(case.name),
        engine.roles.owner: names.owner_secret(case.name),
    }
    binding = case.observed.objects.get(Ref("Secret", bindings.get(role, "")), {}).get("data", {})
    encoded = passwords.in_use(case, role) or binding.get("password")
    return _decoded(encoded) if encoded else None


def _decoded(encoded: str) -> str:
    return base64.b64decode(encoded).decode()


def _server(case: Case, values: dict[str, str], shared: frozenset[str]) -> Object:
    """Return the server's Secret. shared: the roles whose passwords the counterpart knows."""
    secret = _secret(case.service, names.server_secret(case.name), "Opaque", values)
    return meta.annotated(secret, {meta.SHARED_PASSWORDS: " ".join(sorted(shared))} if shared else {})


def _binding(case: Case, engine: Engine, name: str, role: str, values: dict[str, str]) -> Object:
    """A binding Secret (servicebinding.io, 'Well-known Secret Entries') with the trusted authorities."""
    host, password = names.host(names.database(case.name), case.namespace), values[role]
    authorities = f"{names.BINDING_ROOT}/database/{names.CA_FILE}"
    data = {
        "type": engine.name,
        "provider": "freehold",
        "host": host,
        "port": str(engine.port),
        "database": engine.database,
        "username": role,
        "password": password,
        "uri": engine.uri(role, password, host, authorities),
        names.CA_FILE: case.observed.authority.trusted,
    }
    return _secret(case.service, name, f"servicebinding.io/{engine.name}", data)


def _secret(service: Service, name: str, kind: str, data: dict[str, str]) -> Object:
    return meta.build(
        service,
        "v1",
        "Secret",
        name,
        meta.labels(service, meta.DATABASE, CAPABILITY),
        owned=_is_deleted_with_resource(service),
        type=kind,
        data={key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
    )


def _is_deleted_with_resource(service: Service) -> bool:
    database = service.spec.database
    return database is not None and database.deletion_policy is DeletionPolicy.DELETE
