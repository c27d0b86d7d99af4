"""What a service publishes of itself: what one of its images offers, in a ConfigMap.

Its name is known before it is read, so that an image is asked once. What it holds is proven by a digest of its own:
what somebody else wrote there does not count, and the image is asked again.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

from freehold.core.model.case import Case
from freehold.core.model.resources import Object, Ref, Service
from freehold.core.objects import meta, names

DESCRIPTORS = "descriptor-set"


def name(service: str, image: str, annotations: Mapping[str, str]) -> str:
    """Where it is kept what this image offers. annotations: the resource's, which may ask for another reading."""
    return names.contract(service, digest_input(image, annotations))


def digest_input(image: str, annotations: Mapping[str, str]) -> str:
    """Stands for one reading of an image; tags are taken not to move, as everywhere."""
    asked = annotations.get(meta.READ_CONTRACT, "")
    return meta.digest(image, *([asked] if asked else []))


def of(case: Case, image: str) -> bytes | None:
    """What is published of an image: a serialized FileDescriptorSet, or None."""
    return content(case.observed.objects.get(Ref("ConfigMap", name(case.name, image, case.service.annotations))))


def content(live: Object | None) -> bytes | None:
    """What a ConfigMap holds, if it is what was read."""
    if live is None:
        return None
    text = live.get("binaryData", {}).get(DESCRIPTORS, "")
    proven = live["metadata"].get("annotations", {}).get(meta.CONFIG_HASH) == meta.digest(text)
    return base64.b64decode(text) if proven else None


def digest(contract: bytes) -> str:
    """Stands for what is offered, whichever image offers it."""
    return meta.digest(base64.b64encode(contract).decode())


def config_map(service: Service, image: str, contract: bytes, capability: str) -> Object:
    """The ConfigMap for an image."""
    labels = meta.labels(service, meta.CONTRACT, capability, meta.image_version(image))
    where = name(service.name, image, service.annotations)
    text = base64.b64encode(contract).decode()
    body = meta.build(service, "v1", "ConfigMap", where, labels, binaryData={DESCRIPTORS: text})
    body["metadata"]["annotations"] = {meta.IMAGE: image, meta.CONFIG_HASH: meta.digest(text)}
    return body
