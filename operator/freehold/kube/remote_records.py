"""The records in which a remote cluster's objects are kept: small, typed and bounded.

People of the remote namespace write these objects, and a service's observation reads them. A record has only the fields
that a move needs, in the form of the API, so that no object of another cluster can make an observation fail.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from freehold.kube.remote_fields import Encoded
from freehold.kube.remote_parts import (
    ClaimSpec,
    ClaimStatus,
    Kept,
    MicroserviceStatus,
    PodStatus,
    ServiceSpec,
    StatefulSetSpec,
    StatefulSetStatus,
    read_spec,
)


class Pod(Kept):
    """A pod of a service, a database server or a migration."""

    status: PodStatus = Field(default_factory=PodStatus)


class Claim(Kept):
    """A PersistentVolumeClaim, with the record of who owns the data."""

    spec: ClaimSpec
    status: ClaimStatus = Field(default_factory=ClaimStatus)


class Service(Kept):
    """A Service of a database."""

    spec: ServiceSpec = Field(default_factory=ServiceSpec)


class StatefulSet(Kept):
    """A database server or a database proxy."""

    spec: StatefulSetSpec = Field(default_factory=StatefulSetSpec)
    status: StatefulSetStatus = Field(default_factory=StatefulSetStatus)


class ConfigMap(Kept):
    """The ConfigMap with consumers and their pod addresses."""

    data: dict[Annotated[str, Field(pattern=r"^[-a-z0-9.]{3,127}$")], Annotated[str, Field(max_length=65536)]] = Field(
        default_factory=dict, max_length=1024
    )


class Secret(Kept):
    """The passwords of a database server, or the authority of its certificate."""

    data: dict[Annotated[str, Field(pattern=r"^[-A-Za-z0-9_.]{1,63}$")], Encoded] = Field(
        default_factory=dict, max_length=16
    )


class Microservice(Kept):
    """The Microservice of the counterpart."""

    spec: Annotated[dict[str, Any], AfterValidator(read_spec)]
    status: MicroserviceStatus = Field(default_factory=MicroserviceStatus)


BY_KIND: dict[str, type[Kept]] = {
    "Microservice": Microservice,
    "Pod": Pod,
    "PersistentVolumeClaim": Claim,
    "Service": Service,
    "StatefulSet": StatefulSet,
    "ConfigMap": ConfigMap,
    "Secret": Secret,
}
