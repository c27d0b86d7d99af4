"""Destinations of a move: the options as typed, the checks before any request, and the merge patch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from freehold.core.model.resources import Object
from freehold.views import move
from freehold.views.errors import Failure

ZONE = "topology.kubernetes.io/zone"
"""The zone label of nodes (kubernetes.io/docs/reference/labels-annotations-taints)."""


@dataclass(frozen=True)
class Destination:
    """The destination options. node_labels: texts KEY=VALUE."""

    zone: str | None = None
    node_labels: tuple[str, ...] = ()
    storage_class: str | None = None
    namespace: str | None = None
    cluster: str | None = None

    def options(self) -> list[str]:
        """The given options as typed, such as `--zone b`."""
        single = {"--zone": self.zone, "--class": self.storage_class}
        elsewhere = {"--to-namespace": self.namespace, "--to-cluster": self.cluster}
        given = [f"{option} {value}".rstrip() for option, value in (single | elsewhere).items() if value is not None]
        return [*given, *(f"--node-label {label}".rstrip() for label in self.node_labels)]

    def labels(self) -> dict[str, str]:
        """The labels of the destination's nodes. Raises Failure for an invalid label or two values of a label."""
        labels: dict[str, str] = {}
        for key, value in self._labels():
            if labels.setdefault(key, value) != value:
                raise Failure(f"label {key} has two values, {labels[key]} and {value}; give only one of them")
        return labels

    def _labels(self) -> Iterator[tuple[str, str]]:
        if self.zone is not None:
            if not self.zone or "=" in self.zone:
                zone = self.zone.rpartition("=")[2] or "b"
                raise Failure(f"--zone '{self.zone}' is not the name of a zone; write the name alone: --zone {zone}")
            yield ZONE, self.zone
        for label in self.node_labels:
            key, _, value = label.partition("=")
            if not (key and value):
                raise Failure(f"--node-label '{label}' is not KEY=VALUE; write the label of a node: disk=ssd")
            yield key, value


def check(destination: Destination, actions: Sequence[str]) -> None:
    """Check the options before any request. actions: the given options --rollback etc., without dashes.

    Raises Failure for options that exclude each other and for invalid values.
    """
    given = destination.options()
    if len(actions) > 1:
        raise Failure(f"{' and '.join(f'--{action}' for action in actions)} exclude each other; give only one of them")
    if actions and given:
        raise Failure(f"--{actions[0]} and {given[0]} exclude each other; give only one of them")
    elsewhere = [option for option in given if option.startswith("--to-")]
    if elsewhere and len(given) > 1:
        others = " and ".join(option for option in given if option != elsewhere[0])
        raise Failure(f"{elsewhere[0]} excludes {others}; give only one of them, and change the rest after the move")
    if empty := [option for option in given if " " not in option]:
        raise Failure(f"{empty[0]} has no value; write a name after the option")
    destination.labels()


def patch(live: Object, destination: Destination) -> Object:
    """The merge patch that moves a service to a destination; labels with other keys are kept. Raises Failure."""
    if destination.namespace or destination.cluster:
        return {"spec": {"placement": {"namespace": destination.namespace, "cluster": destination.cluster}}}
    if destination.storage_class and not live["spec"].get("database"):
        cause = "has no database, so no storage class"
        raise Failure(f"{move.name(live)} {cause}; move its pods with --zone or --node-label")
    labels, storage_class = destination.labels(), destination.storage_class
    placement: Object = {"placement": {"nodeSelector": labels}} if labels else {}
    volume: Object = {"database": {"storage": {"className": storage_class}}} if storage_class else {}
    return {"spec": {**placement, **volume}}
