"""The ConfigMap with the contract of an image.

The name follows from the image, so that each image is read once. An annotation holds a hash of the content: content
written by others does not count, and the image is read again.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

from freehold.core.model.case import Case
from freehold.core.model.resources import Object, Ref, Service
from freehold.core.objects import meta, names

DESCRIPTORS = "descriptor-set"


def name(service: str, image: str, annotations: Mapping[str, str]) -> str:
    """The name of the ConfigMap. annotations: of the resource, which may request another reading of the image."""
    return names.contract(service, digest_input(image, annotations))


def digest_input(image: str, annotations: Mapping[str, str]) -> str:
    """A digest of the image and the request to read. Tags are assumed not to move."""
    request = annotations.get(meta.READ_CONTRACT, "")
    return meta.digest(image, *([request] if request else []))


def of(case: Case, image: str) -> bytes | None:
    """Return the published contract of an image as a serialized FileDescriptorSet, None if not published."""
    return content(case.observed.objects.get(Ref("ConfigMap", name(case.name, image, case.service.annotations))))


def content(live: Object | None) -> bytes | None:
    """Return the contract in a ConfigMap; None without a ConfigMap, or if the hash does not match."""
    if live is None:
        return None
    text = live.get("binaryData", {}).get(DESCRIPTORS, "")
    intact = live["metadata"].get("annotations", {}).get(meta.CONFIG_HASH) == meta.digest(text)
    try:
        return base64.b64decode(text) if intact else None
    except ValueError:
        return None


def digest(contract: bytes) -> str:
    """The digest of a contract, the same for all images with this contract."""
    return meta.digest(base64.b64encode(contract).decode())


def config_map(service: Service, image: str, contract: bytes, capability: str) -> Object:
    """The ConfigMap with the contract of an image."""
    labels = meta.labels(service, meta.CONTRACT, capability, meta.image_version(image))
    config_map_name = name(service.name, image, service.annotations)
    text = base64.b64encode(contract).decode()
    body = meta.build(service, "v1", "ConfigMap", config_map_name, labels, binaryData={DESCRIPTORS: text})
    body["metadata"]["annotations"] = {meta.IMAGE: image, meta.CONFIG_HASH: meta.digest(text)}
    return body
