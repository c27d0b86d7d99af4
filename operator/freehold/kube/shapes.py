"""The form of a counterpart's objects, as far as readers use them.

The people of the other namespace may write any annotation, and the server of another cluster answers with any JSON.
"""

from __future__ import annotations

import base64
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, ValidationError

from freehold.core.model.resources import Object
from freehold.core.objects import meta
from freehold.kube.kinds import BY_NAME, POD
from freehold.kube.received import UnusableObjectError, report_dropped
from freehold.kube.remote_fields import quantity


def _time(text: str) -> str:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None or not 2000 < time.year < 3000:
        raise ValueError("no time of this age with a time zone")
    return text


def _encoded(text: str) -> str:
    base64.b64decode(text, validate=True).decode()
    return text


Text = Annotated[str, StringConstraints(max_length=1024)]
Texts = dict[str, str]
Quantities = dict[str, Annotated[str, StringConstraints(max_length=40), AfterValidator(quantity)]]
Count = Annotated[int, Field(ge=0, lt=2**31, strict=True)]
Number = Annotated[str, StringConstraints(pattern="^[0-9]{1,9}$")]


class _Condition(BaseModel):
    type: Text
    status: Text
    reason: Text = ""
    message: str = ""


class _Ended(BaseModel):
    exitCode: int = Field(default=0, strict=True)
    finishedAt: Text = ""
    reason: Text = ""
    message: str = ""


class _Waiting(BaseModel):
    reason: Text = ""
    message: str = ""


class _State(BaseModel):
    running: dict[str, Any] | None = None
    terminated: _Ended | None = None
    waiting: _Waiting | None = None


class _Container(BaseModel):
    name: Text
    image: Text = ""
    state: _State = _State()
    lastState: _State = _State()


class _PodStatus(BaseModel):
    podIP: Text = ""
    hostIP: Text = ""
    phase: Text = ""
    conditions: list[_Condition] = []
    containerStatuses: list[_Container] = []
    initContainerStatuses: list[_Container] = []


class _Pod(BaseModel):
    spec: dict[str, Any] = {}
    status: _PodStatus = _PodStatus()


class _ClaimAnnotations(BaseModel):
    epoch: Annotated[Number, Field(alias=meta.EPOCH)] = "0"
    promoted_at: Annotated[str, AfterValidator(_time), Field(alias=meta.PROMOTED_AT)] = ""
    write_pause: Annotated[Number, Field(alias=meta.WRITE_PAUSE)] = "0"


class _ClaimMetadata(BaseModel):
    annotations: _ClaimAnnotations = _ClaimAnnotations()


class _ClaimResources(BaseModel):
    requests: Quantities = {}


class _ClaimSpec(BaseModel):
    storageClassName: Text = ""
    resources: _ClaimResources = _ClaimResources()


class _ClaimStatus(BaseModel):
    phase: Text = ""
    capacity: Quantities = {}
    conditions: list[_Condition] = []


class _Claim(BaseModel):
    metadata: _ClaimMetadata
    spec: _ClaimSpec = _ClaimSpec()
    status: _ClaimStatus = _ClaimStatus()


class _TemplateMetadata(BaseModel):
    annotations: Texts = {}
    labels: Texts = {}


class _TemplateSpec(BaseModel):
    nodeSelector: Texts = {}


class _Template(BaseModel):
    metadata: _TemplateMetadata = _TemplateMetadata()
    spec: _TemplateSpec = _TemplateSpec()


class _ServerSpec(BaseModel):
    replicas: Count = 0
    template: _Template = _Template()


class _ServerStatus(BaseModel):
    observedGeneration: Count = 0
    replicas: Count = 0
    readyReplicas: Count = 0
    updatedReplicas: Count = 0


class _StatefulSet(BaseModel):
    spec: _ServerSpec = _ServerSpec()
    status: _ServerStatus = _ServerStatus()


class _ServiceSpec(BaseModel):
    clusterIP: Text = ""
    externalName: Text = ""
    selector: Texts = {}


class _Service(BaseModel):
    spec: _ServiceSpec = _ServiceSpec()
    status: dict[str, Any] = {}


class _ConfigMap(BaseModel):
    data: Texts = {}
    binaryData: Texts = {}


class _Secret(BaseModel):
    data: dict[str, Annotated[str, AfterValidator(_encoded)]] = {}


FORMS: dict[str, type[BaseModel]] = {
    "Pod": _Pod,
    "PersistentVolumeClaim": _Claim,
    "StatefulSet": _StatefulSet,
    "Service": _Service,
    "ConfigMap": _ConfigMap,
    "Secret": _Secret,
}
"""The kinds that each side of a move reads from the other (`kinds.MOVING`)."""


def fits(live: Object) -> bool:
    """Return whether an object has the form that readers expect; an object that does not is named once."""
    form = FORMS.get(live["kind"])
    try:
        if form:
            form.model_validate(live)
    except (ValidationError, OverflowError) as error:
        metadata = live["metadata"]
        _name_once(live["kind"], metadata["namespace"], metadata["name"], metadata["resourceVersion"], _cause(error))
        return False
    return True


def _cause(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return type(error).__name__
    fault = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, fault['loc']))[:100]}: {fault['msg'][:100]}"


@lru_cache(maxsize=1024)
def _name_once(kind: str, namespace: str, name: str, version: str, cause: str) -> None:
    """Report an object of a counterpart; version: of the object, which is looked at again and again."""
    metadata = {"namespace": namespace, "name": name, "resourceVersion": version}
    report_dropped(POD if kind == POD.name else BY_NAME[kind], {"metadata": metadata}, UnusableObjectError(cause))
