"""Worlds in which images offer something: users 1.4.0 serves, 1.5.0 is to, and payments calls them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from freehold.core import contracts
from freehold.core.contracts import published
from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition
from freehold.core.model.resources import Key, Object, Observed, Peer, Plan, Ref, Service
from freehold.core.objects import deployments
from freehold.core.reconcile import report

from tests import offered
from tests.unit.core.worlds import NOW, objects_of, observed, peer, peers, reader, reconcile, settled
from tests.unit.core.worlds import service as declared

OLD, NEW = "localhost/freehold/users:1.4.0", "localhost/freehold/users:1.5.0"
USERS = Key("shop", "users")
BREAKING = offered.users(offered.EMAIL)
ADDITIVE = offered.users("int64 count = 1;", "int64 count = 1; string more = 2;")
DEPLOYMENT, WALL = Ref("Deployment", "users"), Ref("NetworkPolicy", "users.contract")


def service(image: str = NEW, annotations: dict[str, str] | None = None, **spec: Any) -> Service:
    return replace(declared(image=image, **spec), annotations=annotations or {})


def payments(*methods: str, name: str = "payments", namespace: str = "shop") -> Peer:
    """A consumer of users; without a method it declares none."""
    return replace(peer(name, namespace, USERS), calls={USERS: methods})


PAYMENTS = payments(offered.GET_USER)


def serving(*consumers: Peer, **spec: Any) -> Observed:
    """1.4.0 serves, and what it offers is published."""
    return settled(service(OLD, **spec), observed(peers=peers(*consumers)))


def known(seen: Observed, contract: bytes, image: str = NEW) -> Observed:
    """The same once it is published what an image offers."""
    live = published.config_map(service(), image, contract, contracts.CAPABILITY)
    return replace(seen, objects={**seen.objects, Ref("ConfigMap", live["metadata"]["name"]): live})


def asking(seen: Observed, subject: Service) -> list[Object]:
    return [body for body in contracts.plan(Case(subject, seen)).objects if body["kind"] == "Job"]


def answered(seen: Observed, subject: Service, *said: str, ended: bool = True) -> Observed:
    """The cluster once the reader that is asked for has said so."""
    (job,) = asking(seen, subject)
    now = NOW.strftime("%Y-%m-%dT%H:%M:%SZ")
    done = {"conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": now}]} if ended else {}
    objects = {**seen.objects, Ref("Job", job["metadata"]["name"]): {**job, "status": done}}
    return replace(seen, objects=objects, pods=(*seen.pods, reader(job, *said)))


def condition(seen: Observed, subject: Service) -> Condition:
    said = contracts.plan(Case(subject, seen)).condition
    assert said
    return said


def plans(seen: Observed, subject: Service) -> dict[str, Plan]:
    return {plan.capability: plan for plan in reconcile(subject, seen)}


def image_of(seen: Observed, subject: Service) -> str:
    """The image that the pods are to run."""
    return deployments.image_of(objects_of(reconcile(subject, seen))[DEPLOYMENT])


def is_ready(seen: Observed, subject: Service) -> Object:
    found: Object = report(Case(subject, seen), reconcile(subject, seen)).status["conditions"][0]
    return found
