"""Readers: pods that ask a service's own image what it offers, before any pod of it serves.

The image runs as it would, beside a reader that asks it over the pod's own loopback (gRPC Server Reflection) and
answers through the termination message, as probes do. Nothing else reaches it, and it reaches nothing: no credentials,
no token, no network. The kubelet keeps four kibibytes of a container's answer and twelve of a pod's (kubernetes.io,
'Customizing the termination message'); an answer that does not fit is asked for again in parts.
"""

from __future__ import annotations

import base64
import zlib
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from freehold.api.v1alpha1.grpc import ContractSource
from freehold.core.contracts import published
from freehold.core.environment import container
from freehold.core.model.case import Case
from freehold.core.model.conditions import Reason
from freehold.core.model.resources import Object, Observed, Ref, Service
from freehold.core.objects import meta, names, pods
from freehold.core.objects.jobs import ended as ended_at
from freehold.core.protobuf import compatibility
from freehold.core.protobuf.compatibility import Contract, ContractError

MAX_PARTS = 3
"""With more, the kubelet's bound leaves hardly more room."""
MAX_BYTES = 512 * 1024
"""Bytes of a contract; a ConfigMap takes a megabyte."""
DEADLINE_SECONDS = 60
"""From the pod's start, pulling the image included."""
SPARE_SECONDS = 10
"""So that it is the kubelet that ends a pod which started: the Job would take the pod's last words with it."""
RESOURCES: Object = {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}}
FAULTS = {fault.value: fault for fault in (Reason.CONTRACT_UNREADABLE, Reason.CONTRACT_INVALID)}
GIVE_UP = "spec.grpc.contract: None says that this is known"
WAY_OUT = f"let it answer gRPC reflection also without its database, or {GIVE_UP}"
Fault = tuple[Reason, str]


class Outcome(NamedTuple):
    """What has come of asking an image; nothing of this while it is under way.

    contract: what it offers. fault: why that cannot be told. failed: when a reader ended without an answer, or with one
    that may be another some other time.
    """

    contract: Contract | None = None
    fault: Fault | None = None
    failed: datetime | None = None


class Answer(NamedTuple):
    """What a reader said: a contract, or why there is none, or in how many parts it would fit.

    again: whether a fault may pass.
    """

    contract: bytes = b""
    fault: Fault | None = None
    parts: int = 0
    again: bool = False


def is_read(service: Service) -> bool:
    """Whether the service's images say what they offer."""
    return service.spec.grpc is not None and service.spec.grpc.contract is ContractSource.REFLECTION


def outcome(case: Case, image: str) -> Outcome:
    """What is known of an image's contract."""
    kept = published.of(case, image)
    if kept is not None:
        return _parsed(kept)
    job = jobs(case, image)[-1][0]
    said, ended = _answer(case.observed, job), ended_at(case.observed.objects.get(Ref("Job", job)))
    if said and said.fault:
        return Outcome(fault=_explained(case.observed, job, said.fault), failed=ended if said.again else None)
    if said and not said.parts:
        return _parsed(said.contract)
    if ended is None:
        return Outcome()
    silent = (Reason.CONTRACT_UNREADABLE, "the reader ended without a word")
    return Outcome(fault=_explained(case.observed, job, silent), failed=ended)


def _explained(observed: Observed, job: str, fault: Fault) -> Fault:
    """Why nothing answers may be that the service ended."""
    reason, said = fault
    if reason is not Reason.CONTRACT_UNREADABLE:
        return fault
    trouble = pods.trouble(pods.of_job(observed, job), observed)
    return reason, f"{trouble.message if trouble else said}; {WAY_OUT}"


@lru_cache(maxsize=4)  # one look at a service asks about the same few contracts again and again
def _parsed(contract: bytes) -> Outcome:
    try:
        return Outcome(compatibility.parse(contract))
    except ContractError as error:
        return Outcome(fault=(Reason.CONTRACT_INVALID, str(error)))


def jobs(case: Case, image: str) -> tuple[tuple[str, int], ...]:
    """The Jobs that ask an image, by name, and the number of readers in each; the last one's answer counts."""
    first = _name(case.service, image, 1), 1
    said = _answer(case.observed, first[0])
    return (first, (_name(case.service, image, said.parts), said.parts)) if said and said.parts else (first,)


def _name(service: Service, image: str, parts: int) -> str:
    """One that ran out of memory must get its next chance when it may have more."""
    port = service.spec.grpc.port if service.spec.grpc else 0
    resources = [service.spec.resources.model_dump(exclude_defaults=True)] if service.spec.resources else []
    asked = meta.digest(published.digest_input(image, service.annotations), port, parts, *resources)
    return names.contract_job(service.name, asked)


def job(case: Case, image: str, name: str, parts: int, capability: str) -> Object:
    """The Job; it runs once and ends by itself."""
    assert case.spec.grpc
    version = meta.image_version(image)
    command = ["python3", "-m", "freehold.agents.contract_reader", str(case.spec.grpc.port)]
    readers = [
        pods.container(
            f"reader-{part}",
            case.observed.platform.operator_image,
            None,
            RESOURCES,
            command=[*command, str(part), str(parts)],
        )
        for part in range(parts)
    ]
    template = pods.template(
        meta.pod_labels(case.service, meta.CONTRACT, version),
        {},
        serviceAccountName=case.name,
        restartPolicy="Never",
        activeDeadlineSeconds=DEADLINE_SECONDS,
        terminationGracePeriodSeconds=1,
        initContainers=[_service_container(case, image)],
        containers=readers,
        volumes=container.reader_volumes(case),
    )
    spec = {"backoffLimit": 0, "activeDeadlineSeconds": DEADLINE_SECONDS + SPARE_SECONDS, "template": template}
    labels = meta.labels(case.service, meta.CONTRACT, capability, version)
    return meta.build(case.service, "batch/v1", "Job", name, labels, spec=spec)


def _service_container(case: Case, image: str) -> Object:
    """The service, which ends with its readers (KEP-753)."""
    return pods.container(
        "service",
        image,
        case.spec.resources,
        pods.SERVICE,
        restartPolicy="Always",
        env=container.reader_variables(case),
        volumeMounts=container.reader_mounts(case),
    )


def network_policy(service: Service, capability: str) -> Object:
    """Lets nothing in and nothing out."""
    return meta.network_policy(service, names.contract_policy(service.name), meta.CONTRACT, capability, [], [])


def _answer(observed: Observed, job: str) -> Answer | None:
    """What the readers of a Job said together; None until each has ended with a word."""
    for pod in pods.of_job(observed, job):
        statuses = sorted(pod.get("status", {}).get("containerStatuses", []), key=lambda status: str(status["name"]))
        said = [pods.last_words(status) for status in statuses]
        if said and (answer := assemble([one for one in said if one], len(said))):
            return answer
    return None


def assemble(said: list[dict[str, Any]], readers: int) -> Answer | None:
    """What the answers of so many readers say; None where one is missing, or they are not of one piece."""
    for one in said:
        if "tooLarge" in one:
            words = f"its descriptors take {one['tooLarge']} bytes, more than a reader can answer with; {GIVE_UP}"
            return Answer(fault=(Reason.CONTRACT_TOO_LARGE, words))
        if one.get("fault") in FAULTS:
            return Answer(fault=(FAULTS[one["fault"]], str(one.get("message", ""))), again=bool(one.get("retry")))
        if "parts" in one:
            return Answer(parts=min(int(one["parts"]), MAX_PARTS))
    if len(said) < readers or len({one.get("hash") for one in said}) > 1:
        return None
    try:
        packed = base64.b85decode("".join(str(one["part"]) for one in said))
        return Answer(zlib.decompressobj().decompress(packed, MAX_BYTES))
    except (KeyError, ValueError, zlib.error):
        return None
