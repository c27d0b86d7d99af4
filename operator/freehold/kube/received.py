"""Objects as received from an API server: decoded within bounds, and of the form that the readers expect.

An API server stores managedFields nested 10,000 levels deep (sigs.k8s.io/structured-merge-diff), and the server of a
remote cluster answers with any JSON. Python's decoder raises RecursionError near 1,000 levels.
"""

from __future__ import annotations

import json
import logging
import re
from typing import Annotated, Any

from prometheus_client import Counter
from pydantic import BaseModel, StringConstraints, ValidationError

from freehold.core.model.resources import Object
from freehold.kube.kinds import Kind

logger = logging.getLogger(__name__)
MAX_DEPTH = 64
"""The most levels of an object, managedFields aside; objects of Kubernetes' own kinds have about twenty."""
CUT_DEPTH = 200
"""The level from which JSON that Python cannot decode is left out; below any depth that the decoder refuses."""
MAX_DIGITS = 300
"""The most digits of a number; Python refuses to convert more than 4,300, and a float holds about 300."""
DROPPED = Counter(
    "freehold_objects_dropped", "Objects that were received and cannot be used, by kind", ["kind"], registry=None
)
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.?)*+"?|[\[{\]}]', re.DOTALL)


class UnusableObjectError(ValueError):
    """An object cannot be used; the message names the cause in at most some hundred characters."""


def decode(raw: bytes) -> Any:
    """Return decoded JSON. Raises ValueError.

    A value that Python cannot decode becomes harmless, since others are in the same page: what is nested too deep is
    empty, a number of too many digits is None, and bytes that are not UTF-8 are replaced.
    """
    try:
        return json.loads(raw)
    except (RecursionError, ValueError):
        return _TOLERANT.decode(_cut(raw).decode(errors="replace"))


def _integer(digits: str) -> int | None:
    return int(digits) if len(digits) < MAX_DIGITS else None


_TOLERANT = json.JSONDecoder(parse_int=_integer)


def _cut(raw: bytes) -> bytes:
    """Return JSON with `{}` in place of each value at level CUT_DEPTH. The time is linear in the length."""
    depth, copied, parts = 0, 0, []
    for token in _TOKEN.finditer(raw):
        first = raw[token.start()]
        if first in b"[{":
            depth += 1
            if depth == CUT_DEPTH:
                parts += [raw[copied : token.start()], b"{}"]
        elif first in b"]}":
            if depth == CUT_DEPTH:
                copied = token.end()
            depth -= 1
    return b"".join([*parts, raw[copied:]]) if depth < CUT_DEPTH else b"".join(parts)


class _Owner(BaseModel, strict=True):
    kind: str
    uid: str
    controller: bool = False


class _Metadata(BaseModel, strict=True):
    """The metadata that every object has, and that readers use without a check of their own."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=253)]
    namespace: Annotated[str, StringConstraints(max_length=253)] = ""
    uid: Annotated[str, StringConstraints(max_length=253)] = ""
    resourceVersion: Annotated[str, StringConstraints(pattern="^[0-9]{1,20}$")]
    generation: int = 0
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    ownerReferences: list[_Owner] = []
    managedFields: list[dict[str, Any]] = []


def usable(kind: Kind, live: Any) -> Object:
    """Return an object of a kind with checked metadata, and with the kind that was asked for.

    Raises UnusableObjectError.
    """
    try:
        metadata = live["metadata"]
        _Metadata.model_validate(metadata)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        raise UnusableObjectError(f"metadata.{'.'.join(map(str, fault['loc']))}: {fault['msg']}") from error
    except (KeyError, TypeError) as error:
        raise UnusableObjectError("the object has no metadata") from error
    rest = {**live, "metadata": {key: value for key, value in metadata.items() if key != "managedFields"}}
    if _deeper_than(MAX_DEPTH, rest):
        raise UnusableObjectError(f"the object is nested deeper than {MAX_DEPTH} levels")
    return {**live, "apiVersion": kind.api, "kind": kind.name}


def _deeper_than(levels: int, value: Any) -> bool:
    """Return whether containers nest deeper than a number of levels."""
    level = [value]
    for _ in range(levels + 1):
        inner = (part.values() if isinstance(part, dict) else part for part in level)
        level = [item for items in inner for item in items if isinstance(item, dict | list)]
        if not level:
            return False
    return True


def report_dropped(kind: Kind, live: Any, error: Exception) -> None:
    """Count and log an object that was dropped, with bounded and escaped words."""
    DROPPED.labels(kind.name).inc()
    metadata = live.get("metadata") if isinstance(live, dict) else None
    named = metadata if isinstance(metadata, dict) else {}
    name = f"{str(named.get('namespace', ''))[:253]}/{str(named.get('name', ''))[:253]}"
    logger.warning("dropped %s %.300r, which cannot be used: %s %.200r", kind.name, name, type(error).__name__, error)
