"""The endpoint: the service's pods, and the name by which they are reached, which never changes.

The Service is headless, so that gRPC clients see every pod and balance calls among them (grpc.io, 'Name Resolution').
New pods start only after their schema is in; until then the pods that serve are left exactly as they are.
"""

from __future__ import annotations

from dataclasses import replace

from freehold.core.contracts import rollout_gate
from freehold.core.environment import container
from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition, Reason, State, Type
from freehold.core.model.resources import Object, Plan, Ref
from freehold.core.peers import consent
from freehold.core.workload import conditions, deployment
from freehold.core.workload import service as front
from freehold.core.workload.service import CAPABILITY


def plan(case: Case) -> Plan:
    """The name at once; the pods when the database is ready and migrated, and of an image that breaks no consumer."""
    verdict = rollout_gate.verdict(case)
    if verdict.step is not rollout_gate.Step.GO:
        case = rollout_gate.as_serving(case)
    return _told(_desired(case), verdict)


def _told(plan: Plan, verdict: rollout_gate.Verdict) -> Plan:
    """While it is not known whether new pods may start, the old ones being well is not all there is to say."""
    condition = plan.condition
    if verdict.step is not rollout_gate.Step.WAIT or not condition or condition.state is not State.TRUE:
        return plan
    waiting = Condition(Type.ENDPOINT_READY, State.UNKNOWN, Reason.READING_CONTRACT, verdict.said)
    return replace(plan, condition=waiting)


def _desired(case: Case) -> Plan:
    objects: tuple[Object, ...] = (front.account(case.service), front.build(case))
    if consent.asks_identity(case.service):
        objects += (container.clients(case, front.labels(case.service)),)
    if case.spec.replicas > 1:
        objects += (front.disruption_budget(case.service),)
    said = conditions.condition(case)
    if not conditions.may_roll_out(case):
        return Plan(CAPABILITY, objects, said, frozenset({Ref("Deployment", case.name)}))
    return Plan(CAPABILITY, (*objects, deployment.build(case)), said)
