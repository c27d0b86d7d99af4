"""The Job that reads the contract of an image before any pod of the image serves.

The pod runs the image beside a reader, which calls gRPC Server Reflection over loopback and answers in the termination
message. The pod has no credentials, no token and no network. The kubelet keeps 4 KiB of a termination message and
12 KiB per pod, divided by the number of containers (kubernetes.io, 'Customizing the termination message'); a larger
answer is read again in parts.
"""

from __future__ import annotations

import base64
import zlib
from datetime import datetime
from typing import Any, NamedTuple

from freehold.api.v1alpha1.grpc import ContractSource
from freehold.core.contracts import published
from freehold.core.contracts.reading import Reading
from freehold.core.environment import container
from freehold.core.model.case import Case
from freehold.core.model.conditions import Reason
from freehold.core.model.resources import Object, Observed, Ref, Service
from freehold.core.objects import jobs, meta, names, pods, troubles
from freehold.core.protobuf.checks import Check, Kind, Method

MAX_PARTS = 3
"""Containers of a reader Job; more containers gain little room within the kubelet's bound for a pod."""
MAX_BYTES = 512 * 1024
"""The largest contract; a ConfigMap holds 1 MiB."""
CONNECT_SECONDS = 40
"""How long a reader waits until the service listens, unless a longer start is declared."""
DEADLINE_SECONDS = 60
"""The deadline of the pod, from the start of the pod; pulling the image counts."""
SPARE_SECONDS = 10
"""Later deadline of the Job: the kubelet ends the pod first, since a Job's deadline deletes the pod and the answer."""
RESOURCES: Object = {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"cpu": "500m", "memory": "128Mi"}}
FAULTS = {fault.value: fault for fault in (Reason.CONTRACT_UNREADABLE, Reason.CONTRACT_INVALID)}
OPT_OUT = "set spec.grpc.contract: None"
ACTION = f"let the image answer gRPC reflection without a database, or {OPT_OUT}"
Fault = tuple[Reason, str]


class Contract(NamedTuple):
    """A valid contract. raw: a serialized FileDescriptorSet."""

    raw: bytes
    methods: tuple[Method, ...]

    def names(self) -> tuple[str, ...]:
        """The methods as `package.Service/Method`, in order."""
        return tuple(method.name for method in self.methods)


class Outcome(NamedTuple):
    """The outcome of reading an image; all None while the reader runs.

    fault: why the contract is unknown. failed_at: when a reader failed in a way that may be temporary.
    undecided: whether the fault is no answer of the image: the reader or the check failed, or ran out of time.
    check: the check of a contract that was read, while the check has no result.
    """

    contract: Contract | None = None
    fault: Fault | None = None
    failed_at: datetime | None = None
    undecided: bool = False
    check: Check | None = None


class Answer(NamedTuple):
    """The answer of a reader: a contract, a fault, or the number of parts to read the contract in.

    temporary: whether the fault may pass.
    """

    contract: bytes = b""
    fault: Fault | None = None
    parts: int = 0
    temporary: bool = False


def is_read(service: Service) -> bool:
    """Return whether contracts are read through gRPC reflection, as spec.grpc.contract declares."""
    return service.spec.grpc is not None and service.spec.grpc.contract is ContractSource.REFLECTION


def outcome(case: Case, image: str) -> Outcome:
    """Return the contract of an image, from the ConfigMap or from a reader."""
    contract = published.of(case, image)
    if contract is not None:
        return _checked(case, contract)
    reading = readings(case, image)[-1]
    answer, ended = _answer(case.observed, reading), jobs.ended_at(case.observed, reading.name, *reading.readers)
    if answer and answer.fault:
        fault = _with_cause(case.observed, reading, answer.fault)
        return Outcome(fault=fault, failed_at=ended if answer.temporary else None, undecided=answer.temporary)
    if answer and not answer.parts:
        return _checked(case, answer.contract)
    if ended is None:
        return Outcome()
    silent = (Reason.CONTRACT_UNREADABLE, "the reader ended without an answer")
    return Outcome(fault=_with_cause(case.observed, reading, silent), failed_at=ended, undecided=True)


def _with_cause(observed: Observed, reading: Reading, fault: Fault) -> Fault:
    """Return an unreadable contract's fault with the pod's trouble as the cause, and with the action."""
    reason, message = fault
    if reason is not Reason.CONTRACT_UNREADABLE:
        return fault
    if refusal := troubles.of_creation(observed, Ref("Job", reading.name)):
        return refusal
    trouble = troubles.of_pods(jobs.pods_of(observed, reading.name, *reading.readers), observed)
    return reason, f"{trouble.message if trouble else message}; {ACTION}"


def refusal(case: Case, image: str) -> str:
    """Return why the pod of an image's reader is refused; empty if it is not."""
    found = troubles.of_creation(case.observed, Ref("Job", readings(case, image)[-1].name))
    return found.message if found else ""


def _checked(case: Case, contract: bytes) -> Outcome:
    check = Check(Kind.METHODS, contract)
    result = case.observed.checked(check)
    if result is None:
        return Outcome(check=check)
    if result.fault:
        return Outcome(fault=(Reason.CONTRACT_INVALID, result.fault), undecided=result.unfinished)
    return Outcome(Contract(contract, result.methods))


def readings(case: Case, image: str) -> tuple[Reading, ...]:
    """The reader Jobs of an image, first to last; the answer of the last Job counts."""
    found = [_reading(case.service, image)]
    while following := _following(case, image, found[-1]):
        found.append(following)
    return tuple(found)


def _following(case: Case, image: str, last: Reading) -> Reading | None:
    """The next reader Job, if the answer of the last one did not fit into the kubelet's bound."""
    answer = _answer(case.observed, last)
    if (answer and not answer.parts) or not jobs.ended_at(case.observed, last.name, *last.readers):
        return None
    found = last.injected_in(case.observed)
    if found > last.injected:
        return _reading(case.service, image, injected=found)
    # Only more parts are another Job: the text of an answer is not trusted to end the chain.
    more = answer is not None and answer.parts > last.parts
    return _reading(case.service, image, answer.parts, last.injected) if answer and more else None


def _reading(service: Service, image: str, parts: int = 1, injected: int = 0) -> Reading:
    """A reader Job. Resources and time count, so that an image that had too little is read again."""
    port = service.spec.grpc.port if service.spec.grpc else 0
    resources = [service.spec.resources.model_dump(exclude_defaults=True)] if service.spec.resources else []
    patience = [seconds] if (seconds := container.startup_seconds(service)) else []
    shared = [injected] if injected else []
    digest = meta.digest(
        published.digest_input(image, service.annotations), port, parts, *shared, *resources, *patience
    )
    return Reading(names.contract_job(service.name, digest), parts, injected)


def job(case: Case, image: str, reading: Reading, capability: str) -> Object:
    """The reader Job, with one container per part; runs once and is not retried by Kubernetes."""
    assert case.spec.grpc
    version = meta.image_version(image)
    command = ["python3", "-m", "freehold.agents.contract_reader", str(case.spec.grpc.port)]
    # An image that is declared to start slowly gets its time here as well.
    more = max(0, (container.startup_seconds(case.service) or 0) - CONNECT_SECONDS)
    sizes = [str(number) for number in (reading.parts, reading.injected, CONNECT_SECONDS + more)]
    readers = [
        pods.container(
            name,
            case.observed.platform.operator_image,
            None,
            RESOURCES,
            command=[*command, str(part), *sizes],
        )
        for part, name in enumerate(reading.readers)
    ]
    template = pods.template(
        meta.pod_labels(case.service, meta.CONTRACT, version),
        {},
        serviceAccountName=case.name,
        restartPolicy="Never",
        activeDeadlineSeconds=DEADLINE_SECONDS + more,
        terminationGracePeriodSeconds=1,
        initContainers=[_service_container(case, image)],
        containers=readers,
        volumes=container.reader_volumes(case),
    )
    spec = {"backoffLimit": 0, "activeDeadlineSeconds": DEADLINE_SECONDS + more + SPARE_SECONDS, "template": template}
    labels = meta.labels(case.service, meta.CONTRACT, capability, version)
    return meta.build(case.service, "batch/v1", "Job", reading.name, labels, spec=spec)


def _service_container(case: Case, image: str) -> Object:
    """The service as a sidecar, which ends with the readers (KEP-753)."""
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
    """The network policy of the readers, which allows no traffic."""
    return meta.network_policy(service, names.contract_policy(service.name), meta.CONTRACT, capability, [], [])


def _answer(observed: Observed, reading: Reading) -> Answer | None:
    """Return the joint answer of all readers of a Job; None until each reader has ended with an answer."""
    for pod in jobs.pods_of(observed, reading.name, *reading.readers):
        statuses = sorted(pod["status"]["containerStatuses"], key=lambda status: str(status["name"]))
        messages = [message for status in statuses if (message := jobs.termination_message(status))]
        if messages and (answer := assemble(messages, reading.parts)):
            return answer
    return None


def assemble(answers: list[dict[str, Any]], readers: int) -> Answer | None:
    """Join the answers of all readers; None if an answer is missing, or if parts belong to different contracts."""
    for answer in answers:
        if "tooLarge" in answer:
            message = f"the descriptors take {answer['tooLarge']} bytes, more than a reader can return; {OPT_OUT}"
            return Answer(fault=(Reason.CONTRACT_TOO_LARGE, message))
        if answer.get("fault") in FAULTS:
            fault = FAULTS[answer["fault"]], str(answer.get("message", ""))
            return Answer(fault=fault, temporary=bool(answer.get("retry")))
        if isinstance(answer.get("parts"), int):
            return Answer(parts=min(answer["parts"], MAX_PARTS))
    if len(answers) < readers or len({answer.get("hash") for answer in answers}) > 1:
        return None
    try:
        packed = base64.b85decode("".join(str(answer["part"]) for answer in answers))
        return Answer(zlib.decompressobj().decompress(packed, MAX_BYTES))
    except (KeyError, ValueError, zlib.error):
        return None
