"""The parts of a remote cluster's records: metadata, specs and statuses, as far as a move reads them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from freehold.api.v1alpha1.microservice import Microservice as Resource
from freehold.core.model.conditions import Type
from freehold.core.objects import meta
from freehold.kube.cluster_registry import explain
from freehold.kube.remote_fields import (
    Count,
    Digits,
    LabelKey,
    LabelValue,
    Moment,
    Name,
    Namespace,
    Quantity,
    Text,
    Uid,
    Version,
    Word,
)


class Record(BaseModel):
    """A part of an object; other fields are dropped."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", strict=True, hide_input_in_errors=True)


class Labels(Record):
    """Freehold's labels."""

    instance: LabelValue = Field("", alias=meta.INSTANCE)
    component: LabelValue = Field("", alias=meta.COMPONENT)
    managed_by: LabelValue | None = Field(None, alias=meta.MANAGED_BY)
    capability: LabelValue | None = Field(None, alias=meta.CAPABILITY)
    probe: LabelValue | None = Field(None, alias=meta.PROBE)
    role: LabelValue | None = Field(None, alias=meta.ROLE)


class Annotations(Record):
    """The annotations of claims, Secrets and Microservices that a move reads."""

    epoch: Digits | None = Field(None, alias=meta.EPOCH)
    promoted_at: Moment | None = Field(None, alias=meta.PROMOTED_AT)
    write_pause: Digits | None = Field(None, alias=meta.WRITE_PAUSE)
    dataset_id: Word | None = Field(None, alias=meta.DATASET_ID)
    data_moved_to: Namespace | None = Field(None, alias=meta.DATA_MOVED_TO)
    move: Text | None = Field(None, alias=meta.MOVE)
    last_backup_at: Text | None = Field(None, alias=meta.LAST_BACKUP_AT)
    shared_passwords: Text | None = Field(None, alias=meta.SHARED_PASSWORDS)


class Owner(Record):
    """An owner of an object."""

    kind: LabelValue
    name: Name
    uid: Uid
    controller: bool | None = None


class Metadata(Record):
    """The metadata of an object."""

    name: Name
    uid: Uid
    resource_version: Version
    generation: Count = 0
    creation_timestamp: Moment | None = None
    deletion_timestamp: Moment | None = None
    labels: Labels = Field(default_factory=Labels)
    annotations: Annotations = Field(default_factory=Annotations)
    owner_references: list[Owner] = Field(default_factory=list, max_length=8)


class Kept(Record):
    """An object."""

    metadata: Metadata


class Condition(Record):
    """A condition of a pod or a Microservice."""

    type: LabelKey
    status: LabelValue
    message: Text = ""


class State(Record):
    """The state of a container: whether it runs."""

    running: Record | None = None


class ContainerStatus(Record):
    """The status of a container."""

    name: Text = ""
    state: State = Field(default_factory=State)


class PodStatus(Record):
    """The status of a pod. pod_ip: removed from the record if the address is refused."""

    phase: LabelValue = ""
    pod_ip: Word = Field("", alias="podIP")
    conditions: list[Condition] = Field(default_factory=list, max_length=32)
    container_statuses: list[ContainerStatus] = Field(default_factory=list, max_length=32)


class Storage(Record):
    """Quantities of storage."""

    storage: Quantity


class Requests(Record):
    """The requests of a claim."""

    requests: Storage


class ClaimSpec(Record):
    """The spec of a claim."""

    resources: Requests
    storage_class_name: Word | None = None


class ClaimStatus(Record):
    """The status of a claim."""

    phase: LabelValue = ""


class Selector(Record):
    """The selector of a Service, as far as the database proxy is concerned."""

    pod_name: LabelValue | None = Field(None, alias=meta.POD_NAME)


class ServiceSpec(Record):
    """The spec of a Service."""

    selector: Selector = Field(default_factory=Selector)


class TemplateAnnotations(Record):
    """The annotations of a database server's pod template."""

    primary: Word | None = Field(None, alias=meta.PRIMARY)


class TemplateMetadata(Record):
    """The metadata of a pod template."""

    annotations: TemplateAnnotations = Field(default_factory=TemplateAnnotations)


class TemplateSpec(Record):
    """The spec of a pod template."""

    node_selector: dict[LabelKey, LabelValue] = Field(default_factory=dict, max_length=32)


class Template(Record):
    """A pod template."""

    metadata: TemplateMetadata = Field(default_factory=TemplateMetadata)
    spec: TemplateSpec = Field(default_factory=TemplateSpec)


class StatefulSetSpec(Record):
    """The spec of a StatefulSet."""

    replicas: Count = 1
    template: Template = Field(default_factory=Template)


class StatefulSetStatus(Record):
    """The status of a StatefulSet."""

    observed_generation: Count = 0
    ready_replicas: Count = 0
    updated_replicas: Count = 0


def _conditions(value: object) -> object:
    """Return the conditions that the counterpart reads."""
    wanted = (Type.READY, Type.RELOCATED)
    return [c for c in value if isinstance(c, dict) and c.get("type") in wanted] if isinstance(value, list) else value


class PreviousTarget(Record):
    """The previous endpoint target of a Microservice."""

    namespace: Namespace = ""


class MicroserviceStatus(Record):
    """The status of a Microservice. Namespaces are those of its own cluster."""

    replaces: Namespace = ""
    endpoint_target: Namespace = ""
    counterpart: Namespace = ""
    previous_target: PreviousTarget | None = None
    conditions: Annotated[list[Condition], BeforeValidator(_conditions)] = Field(default_factory=list, max_length=8)


SPEC = ("image", "grpc", "http", "database", "placement")


def read_spec(value: dict[str, object]) -> object:
    """Return the fields of a spec that the counterpart reads, without unknown parts. Raises ValueError."""
    try:
        read = Resource.model_validate({"spec": {key: value[key] for key in SPEC if key in value}})
    except ValidationError as error:
        raise ValueError(explain(error)) from error
    return read.spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
