"""The part of the resource that declares the location of a service and its database."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from freehold.api.schema import LabelValue, Model, QualifiedName, rules
from freehold.api.v1alpha1.database import Duration
from freehold.api.v1alpha1.expose import Namespace

SecretName = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$", max_length=63)]
RULES = rules(
    (
        "!(has(self.cluster) && has(self.__namespace__))",
        "placement.cluster means the namespace of the same name there; leave placement.namespace out",
    ),
    (
        "!(has(self.fromCluster) && has(self.from))",
        "placement.fromCluster means the namespace of the same name there; leave placement.from out",
    ),
)


class Placement(Model):
    """The location of the service and its database. A change moves both; consumers keep using the same name."""

    model_config = ConfigDict(json_schema_extra=RULES)

    node_selector: dict[QualifiedName, LabelValue] = Field(default_factory=dict, max_length=16)
    """Labels of the nodes for service and database, such as {topology.kubernetes.io/zone: b}. Default: any node."""
    namespace: Namespace | None = None
    """The namespace to move to. A Microservice of the same name must exist in the destination and name this namespace
    in placement.from. After the move, the old name redirects to the destination."""
    from_: Annotated[Namespace | None, Field(alias="from")] = None
    """The namespace of the Microservice of the same name that this service replaces. The destination inherits the
    permissions of the source: the same consumers may call, and the same providers may be called."""
    cluster: SecretName | None = None
    """The cluster to move to, into the namespace of the same name: a cluster that the platform team has registered, and
    the name of a Secret in this namespace with a kubeconfig under the key `value` or `kubeconfig`, for the token. A
    Microservice of the same name must exist in the destination and name this cluster in placement.fromCluster. Pods of
    both clusters must reach each other."""
    from_cluster: SecretName | None = None
    """The cluster of the Microservice of the same name and namespace that this service replaces: a registered cluster,
    and the name of a Secret in this namespace with a kubeconfig, for the token."""
    rollback_window: Duration = "1h"
    """The time after a switchover during which the old primary is kept as a standby, and a rollback needs no copy
    (default: 1h). Afterwards the instance is removed, and the volume is treated as deletionPolicy says."""
    timeout: Duration = "24h"
    """The longest duration of a move (default: 24h). A move that takes longer is cancelled, and the service stays at
    the old location."""
    max_backup_age: Duration | None = None
    """The longest age of the last backup at the start of a move with data. The time of the backup is read from the
    annotation freehold.dev/last-backup-at (RFC 3339) of the Microservice that owns the data; in a move between
    namespaces or clusters, either side may set this field. Default: no backup is required."""
