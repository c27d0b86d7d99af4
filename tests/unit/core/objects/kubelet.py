"""Shortened statuses of a kubelet."""

from __future__ import annotations

from freehold.core.model.resources import Object


def pod(status: Object, *, terminating: bool = False) -> Object:
    """Return a pod of service users."""
    labels = {"app.kubernetes.io/component": "service"}
    deleted = {"deletionTimestamp": "2026-01-02T03:04:05Z"} if terminating else {}
    metadata = {"name": "users-7d9f-x2x", "namespace": "shop", "labels": labels, **deleted}
    return {"metadata": metadata, "status": status}


def container(**status: object) -> Object:
    return {"containerStatuses": [{"name": "service", "image": "users:1", "ready": False, **status}]}


def waiting(reason: str, message: str = "") -> Object:
    return container(state={"waiting": {"reason": reason, "message": message}})


def ended(code: int, message: str = "", reason: str = "Error") -> Object:
    return {"terminated": {"exitCode": code, "reason": reason, "message": message}}
