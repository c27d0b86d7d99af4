"""Credentials: made once, kept, and held by nobody who does not need them.

The service gets a role that may read and write rows, its migrations one that owns the schema, and the server alone
holds the password of each. Secrets of a retained database outlive the resource, so that a resource of the same name
takes the data up again with credentials that work.
"""

from __future__ import annotations

import base64

from freehold.api.v1alpha1.database import DeletionPolicy
from freehold.core import engines
from freehold.core.database import topology
from freehold.core.engines import Engine
from freehold.core.model import grants, remote
from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition, Reason, State, Type
from freehold.core.model.resources import Object, Plan, Ref, Service
from freehold.core.objects import meta, names

CAPABILITY = "credentials"


def plan(case: Case) -> Plan:
    """One Secret for the server, one to bind the service, one for the owner of the schema."""
    database = case.spec.database
    if database is None:
        return Plan(CAPABILITY, ())
    if not case.observed.secrets_granted:
        said = grants.secrets_not_granted(case)
        return Plan(CAPABILITY, (), _condition(State.FALSE, Reason.SECRETS_NOT_GRANTED, said))
    if awaited := _awaited(case):
        return Plan(
            CAPABILITY, (), _condition(State.UNKNOWN, Reason.WAITING_FOR_CONSENT, awaited), _known(case.service)
        )
    engine = engines.of(database)
    passwords = {role: _kept(case, engine, role) or case.observed.passwords[role] for role in engine.roles}
    objects = (
        _secret(case.service, names.server_secret(case.name), "Opaque", passwords),
        _binding(case, engine, names.database(case.name), engine.roles.service, passwords),
        _binding(case, engine, names.owner_secret(case.name), engine.roles.owner, passwords),
    )
    said = f"bound by Secret {names.database(case.name)}; migrations alone use {names.owner_secret(case.name)}"
    return Plan(CAPABILITY, objects, _condition(State.TRUE, Reason.IN_USE, said))


def _awaited(case: Case) -> str:
    """Why none can be made yet: they are those of the data, which comes from another namespace."""
    now = topology.primary(case)
    if now.abroad and Ref("Secret", names.server_secret(case.name)) not in case.observed.counterpart:
        return f"the credentials are those of the data, and Freehold may not read them in {remote.describe(now.abroad)}"
    awaited = None if now.abroad else topology.awaits_data_from(case)
    return f"the credentials are those of the data, which comes from {awaited}" if awaited else ""


def _known(service: Service) -> frozenset[Ref]:
    kept = (names.server_secret(service.name), names.database(service.name), names.owner_secret(service.name))
    return frozenset(Ref("Secret", name) for name in kept)


def _condition(state: State, reason: Reason, said: str) -> Condition:
    return Condition(Type.CREDENTIALS_READY, state, reason, said)


def _kept(case: Case, engine: Engine, role: str) -> str | None:
    """The password that is in use: the server's Secret knows them all, a binding Secret its own role's. Where the data
    comes from another namespace, its roles come along."""
    there = case.observed.counterpart if topology.primary(case).abroad else case.observed.objects
    server = there.get(Ref("Secret", names.server_secret(case.name)), {}).get("data", {})
    bindings = {
        engine.roles.service: names.database(case.name),
        engine.roles.owner: names.owner_secret(case.name),
    }
    binding = case.observed.objects.get(Ref("Secret", bindings.get(role, "")), {}).get("data", {})
    encoded = server.get(role) or binding.get("password")
    return base64.b64decode(encoded).decode() if encoded else None


def _binding(case: Case, engine: Engine, name: str, role: str, passwords: dict[str, str]) -> Object:
    """A Secret of the well-known form (servicebinding.io, 'Well-known Secret Entries'), and whom to trust beside it."""
    host, password = names.host(names.database(case.name), case.namespace), passwords[role]
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
        owned=_goes_with_the_resource(service),
        type=kind,
        data={key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
    )


def _goes_with_the_resource(service: Service) -> bool:
    database = service.spec.database
    return database is not None and database.deletion_policy is DeletionPolicy.DELETE
