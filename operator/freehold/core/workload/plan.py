"""The workload: the Deployment of a service, and the Service before the pods.

The Service is headless, so that gRPC clients resolve all pods and balance calls (grpc.io, 'Name Resolution'). New pods
start after the migrations are applied; until then the Deployment stays unchanged.
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
    """Return the Service at once, and the Deployment once database and schema are ready.

    While the rollout gate holds the declared image back, the serving image is planned.
    """
    verdict = rollout_gate.verdict(case)
    if verdict.step is not rollout_gate.Step.GO:
        case = rollout_gate.as_serving(case)
    return _with_wait(_plan(case), verdict)


def _with_wait(plan: Plan, verdict: rollout_gate.Verdict) -> Plan:
    """Replace a True condition with ReadingContract while the new image waits for the rollout gate."""
    condition = plan.condition
    if verdict.step is not rollout_gate.Step.WAIT or not condition or condition.state is not State.TRUE:
        return plan
    waiting = Condition(Type.ENDPOINT_READY, State.UNKNOWN, Reason.READING_CONTRACT, verdict.message)
    return replace(plan, condition=waiting)


def _plan(case: Case) -> Plan:
    objects: tuple[Object, ...] = (front.account(case.service), front.build(case))
    if consent.requires_mutual_tls(case.service):
        objects += (container.clients(case, front.labels(case.service)),)
    if case.spec.replicas > 1:
        objects += (front.disruption_budget(case.service),)
    condition = conditions.condition(case)
    if not conditions.may_roll_out(case):
        return Plan(CAPABILITY, objects, condition, frozenset({Ref("Deployment", case.name)}))
    return Plan(CAPABILITY, (*objects, deployment.build(case)), condition)
