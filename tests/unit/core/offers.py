"""States for contract tests: users 1.4.0 serves, 1.5.0 is declared, and payments calls users."""

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
from tests.unit.core.worlds import NOW, objects_of, observed, peer, peers, reader, reconcile, settled, with_uid
from tests.unit.core.worlds import service as declared

OLD, NEW = "localhost/freehold/users:1.4.0", "localhost/freehold/users:1.5.0"
USERS = Key("shop", "users")
BREAKING = offered.users(offered.EMAIL)
ADDITIVE = offered.users("int64 count = 1;", "int64 count = 1; string more = 2;")
DEPLOYMENT, POLICY = Ref("Deployment", "users"), Ref("NetworkPolicy", "users.contract")


def service(image: str = NEW, annotations: dict[str, str] | None = None, **spec: Any) -> Service:
    """users, with image 1.5.0 declared."""
    return replace(declared(image=image, **spec), annotations=annotations or {})


def payments(*methods: str, name: str = "payments", namespace: str = "shop") -> Peer:
    """A consumer of users, with the methods that the consumer declares."""
    return replace(peer(name, namespace, USERS), calls={USERS: methods})


PAYMENTS = payments(offered.GET_USER)


def serving(*consumers: Peer, **spec: Any) -> Observed:
    """The state in which 1.4.0 serves, and the contract of 1.4.0 is published."""
    return settled(service(OLD, **spec), observed(peers=peers(*consumers)))


def with_contract(seen: Observed, contract: bytes, image: str = NEW) -> Observed:
    """The state with the published contract of an image."""
    live = published.config_map(service(), image, contract, contracts.CAPABILITY)
    return replace(seen, objects={**seen.objects, Ref("ConfigMap", live["metadata"]["name"]): live})


def reader_jobs(seen: Observed, subject: Service) -> list[Object]:
    """The planned reader Jobs."""
    return [body for body in contracts.plan(Case(subject, seen)).objects if body["kind"] == "Job"]


def with_answers(seen: Observed, subject: Service, *answers: str, ended: bool = True) -> Observed:
    """The state with the planned reader Job and answers, one for each reader."""
    (job,) = reader_jobs(seen, subject)
    now = NOW.strftime("%Y-%m-%dT%H:%M:%SZ")
    done = {"conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": now}]} if ended else {}
    objects = {**seen.objects, Ref("Job", job["metadata"]["name"]): {**with_uid(job), "status": done}}
    return replace(seen, objects=objects, pods=(*seen.pods, reader(job, *answers)))


def condition(seen: Observed, subject: Service) -> Condition:
    """Condition ContractPublished."""
    found = contracts.plan(Case(subject, seen)).condition
    assert found
    return found


def plans(seen: Observed, subject: Service) -> dict[str, Plan]:
    """All plans by capability."""
    return {plan.capability: plan for plan in reconcile(subject, seen)}


def planned_image(seen: Observed, subject: Service) -> str:
    """The image of the planned pods."""
    return deployments.image_of(objects_of(reconcile(subject, seen))[DEPLOYMENT])


def ready_condition(seen: Observed, subject: Service) -> Object:
    """Condition Ready in API form."""
    found: Object = report(Case(subject, seen), reconcile(subject, seen)).status["conditions"][0]
    return found
