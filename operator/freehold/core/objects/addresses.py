"""The addresses of pods."""

from __future__ import annotations

from freehold.core.model.resources import Object


def of_pod(pod: Object) -> list[str]:
    """Return the addresses of a pod: one, or one of each of two families (core/v1, PodStatus.podIPs)."""
    status = pod.get("status", {})
    listed = [str(entry["ip"]) for entry in status.get("podIPs", []) if entry.get("ip")]
    return listed or ([str(status["podIP"])] if status.get("podIP") else [])
