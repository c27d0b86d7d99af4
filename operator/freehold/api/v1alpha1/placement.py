"""The part of the resource that says where a service stands, with its database."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from freehold.api.schema import Model, rules
from freehold.api.v1alpha1.database import Duration
from freehold.api.v1alpha1.expose import Namespace

LabelValue = Annotated[str, Field(pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$", max_length=63)]


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
    """Where the service and its database stand. A change moves both, while consumers go on calling the same name."""

    model_config = ConfigDict(json_schema_extra=RULES)

    node_selector: dict[str, LabelValue] = Field(default_factory=dict, max_length=16)
    """Labels of the nodes to stand on, like {topology.kubernetes.io/zone: b}, or a node pool's; left out: any node."""
    namespace: Namespace | None = None
    """Another namespace to stand in. A Microservice of the same name there takes over once it is Ready, if it names
    this one's namespace under placement.from; then the name here leads there, for consumers that go on using it."""
    from_: Annotated[Namespace | None, Field(alias="from")] = None
    """The namespace of a Microservice of the same name whose calls this one takes over. Whom that one admits is
    admitted here too, and who admits that one admits this one."""
    cluster: SecretName | None = None
    """Another cluster to stand in, in the namespace of the same name: the Secret here that holds a kubeconfig for it,
    under the key `value` or `kubeconfig`. A Microservice of the same name there takes over once it is Ready, if it
    names this cluster under placement.fromCluster; then the name here leads there. Pods of both reach each other."""
    from_cluster: SecretName | None = None
    """The cluster in which a Microservice of the same name and namespace stands whose calls this one takes over: the
    Secret here that holds a kubeconfig for it."""
    rollback_window: Duration = "1h"
    """How long the server that was left stays, as a standby of the new one: taking the edit back within that time moves
    back without copying. After it the server goes, and its volume as deletionPolicy says."""
    timeout: Duration = "24h"
    """How long a move may take until it is given up; the service then stays where it was, as if nobody had asked."""
    max_backup_age: Duration | None = None
    """A move of the data begins only where a backup of it was made within this time, as the annotation
    freehold.dev/last-backup-at of the resource that has the data says, like "2026-11-28T00:00:00Z". Of a move to another
    namespace or cluster either side may ask for it. Left out: none is asked for."""
