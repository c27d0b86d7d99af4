"""Golden cases: the objects of a cluster, as YAML, and Freehold's plan and messages, as YAML.

The first document of an input is the service under test; the others are the rest of the cluster: the service's objects
and pods, other services, namespaces and storage classes. They pass through the cache, as watched objects do. Fields of
the API server that no case is about (uid, resourceVersion, labels) are filled in here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from freehold.controller.database_rollout import DatabaseRollout
from freehold.core.contracts import published
from freehold.core.model import remote
from freehold.core.model.case import Case
from freehold.core.model.findings import Findings
from freehold.core.model.resources import Object, Observed, Plan, Platform, Service
from freehold.core.objects import deployments
from freehold.core.objects.names import RECORDED
from freehold.core.protobuf import checker
from freehold.core.reconcile import reconcile, report
from freehold.kube import certificate_authority, observation
from freehold.kube.cache import Cache
from freehold.kube.refusals import Refusals

from tests import offered

HERE = Path(__file__).parent
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
AUTHORITY = certificate_authority.CertificateAuthority(certificate_authority.generate(NOW))
PLATFORM = Platform(operator_image="registry.example/freehold/operator:1.0.0")
NOT_GRANTED = {"not-granted"}
"""Namespaces without a grant for Secrets."""
UNPUBLISHED = ("contract-", "first-visit", "http-only")
"""Cases with published contracts of their own; in all others, the contract of users is published."""
PASSWORDS = {"app": "fresh-app", "owner": "fresh-owner", "replicator": "fresh-replicator", "postgres": "fresh-postgres"}


def names() -> list[str]:
    return sorted(file.stem for file in (HERE / "input").glob("*.yaml"))


def rendered(name: str) -> str:
    """Return the messages and the planned objects of a case as YAML documents, the messages first."""
    case = Case(*observed(name))
    plans = reconcile(case)
    documents = [_words(case, plans), *(_masked(body) for plan in plans for body in plan.objects)]
    return yaml.dump_all(documents, Dumper=_Literal, sort_keys=False, width=110, explicit_start=True)


def observed(name: str) -> tuple[Service, Observed]:
    """Return the service of a case and its observed state."""
    text = (HERE / f"input/{name}.yaml").read_text()
    subject, *others = yaml.safe_load_all(text)
    known = (
        [] if name.startswith(UNPUBLISHED) else [{"kind": "Contract", "image": one} for one in _images(subject, others)]
    )
    return _observed(subject, others + known)


def _images(subject: Object, others: list[Object]) -> list[str]:
    """Return the wanted and the serving image."""
    serving = [deployments.image_of(live) for live in others if live["kind"] == "Deployment"]
    return list(dict.fromkeys([subject["spec"]["image"], *serving]))


def _observed(subject: Object, others: list[Object]) -> tuple[Service, Observed]:
    cache = Cache(lambda _: None)
    refusals = Refusals(cache, lambda _: None, lambda: NOW)
    for live in map(_filled, [subject, *others]):
        match live["kind"]:
            case "Contract":
                cache.put_owned(_contract(subject, live))
            case "Microservice":
                cache.put_service(live, *_declared(live))
            case "Namespace":
                cache.put_namespace(live)
            case "Event":  # about an object above it
                refusals.put(live)
            case "StorageClass":
                cache.put_storage_class(live)
            case _:
                cache.put_owned(live)
    service = observation.parse(_filled(subject))
    granted = {service.namespace} - NOT_GRANTED
    means = observation.Inputs(PLATFORM, AUTHORITY, granted, Findings(), refusals=refusals)
    seen = observation.observe(cache, service, means, subject.get("status", {}), NOW)
    turn = DatabaseRollout(cache, lambda _: None, lambda _: None).has_turn(service.key)
    return service, replace(seen, passwords=PASSWORDS, checked=checker.run, database_turn=turn)


def _declared(live: Object) -> observation.Declared:
    """Return the declaration of a resource in a namespace of another cluster, with that cluster's names."""
    metadata = live["metadata"]
    if not remote.is_remote(metadata["namespace"]):
        return observation.declared(live)
    there = {**live, "metadata": {**metadata, "namespace": remote.local_name(metadata["namespace"])}}
    return observation.declared_remotely(there, remote.cluster(metadata["namespace"]))


def _contract(subject: Object, live: Object) -> Object:
    """Return the published contract of an image. of: the service; instead: the text that replaces `without`."""
    owner = _filled(
        {**subject, "metadata": {**subject["metadata"], "name": live.get("of", subject["metadata"]["name"])}}
    )
    contract = offered.users(live.get("without", ""), live.get("instead", ""))
    return _filled(published.config_map(observation.parse(owner), live["image"], contract, "contracts"))


def _filled(live: Object) -> Object:
    name = live.setdefault("metadata", {"name": "contract"})["name"]
    usual: Object = {"namespace": "shop", "uid": f"uid-of-{name}", "resourceVersion": "1", "generation": 1}
    labels = {"app.kubernetes.io/instance": "users", **live["metadata"].get("labels", {})}
    if live["kind"] == "StatefulSet":  # a server belongs to its Microservice
        usual["ownerReferences"] = [
            {"kind": "Microservice", "uid": f"uid-of-{labels['app.kubernetes.io/instance']}", "controller": True}
        ]
    return {**live, "metadata": {**usual, **live["metadata"], "labels": labels}}


def _words(case: Case, plans: tuple[Plan, ...]) -> Object:
    said = report(case, plans)
    kept = sorted(f"{ref.kind} {ref.name}" for plan in plans for ref in plan.keep)
    events = [f"{event.type} {event.reason}: {event.note}" for event in said.events]
    anew = sorted(f"{ref.kind} {ref.name}" for plan in plans for ref in plan.discard)
    shown = {"status": said.status, "written after seconds": said.pause, "events": events, "kept as they are": kept}
    return {**shown, "removed to be made anew": anew} if anew else shown


def _masked(body: Object) -> Object:
    """Remove start scripts, their digest, and certificates, which differ from run to run."""
    if body["metadata"]["name"].endswith("-database-configuration"):
        return {**body, "data": {key: value if key == RECORDED else "…" for key, value in body["data"].items()}}
    if "binaryData" in body:
        return {**body, "binaryData": dict.fromkeys(body["binaryData"], "…")}
    if body["kind"] == "Secret":
        return {**body, "data": {key: "…" if "." in key else value for key, value in body["data"].items()}}
    if body["kind"] == "StatefulSet":
        template = body["spec"]["template"]
        metadata = {**template["metadata"], "annotations": {"freehold.dev/config-hash": "…"}}
        spec = {**body["spec"], "template": {**template, "metadata": metadata}}
        known = body["metadata"].get("annotations", {})
        masked = {**known, "freehold.dev/template-hash": "…"} if known else {}
        return {**body, "metadata": {**body["metadata"], "annotations": masked}, "spec": spec}
    return body


class _Literal(yaml.SafeDumper):
    """A YAML dumper without aliases, and with enumerations as text."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the dumper's own signature
        return True


_Literal.add_multi_representer(str, lambda dumper, text: dumper.represent_str(str(text)))


def outputs() -> Iterator[str]:
    """Return the names of the existing outputs."""
    return (file.stem for file in (HERE / "output").glob("*.yaml"))
