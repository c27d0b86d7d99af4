"""The grant by which the operator may keep Secrets in a namespace."""

from __future__ import annotations

from freehold.core.model.resources import Observed, Service


def secrets_not_granted(service: Service, observed: Observed) -> str:
    """What to say where Freehold may keep no Secrets, and the way out."""
    platform, namespace = observed.platform, service.namespace
    command = (
        f"kubectl create rolebinding freehold --namespace {namespace} "
        f"--clusterrole={platform.secrets_role} --serviceaccount={platform.account}"
    )
    return f"Freehold may not keep Secrets in namespace {namespace}; whoever administers it can let it: {command}"
