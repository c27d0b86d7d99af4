"""The grant by which the operator may keep Secrets in a namespace."""

from __future__ import annotations

from freehold.core.model.case import Case


def secrets_not_granted(case: Case) -> str:
    """What to say where Freehold may keep no Secrets, and the way out."""
    platform, namespace = case.observed.platform, case.namespace
    command = (
        f"kubectl create rolebinding freehold --namespace {namespace} "
        f"--clusterrole={platform.secrets_role} --serviceaccount={platform.account}"
    )
    return f"Freehold may not keep Secrets in namespace {namespace}; whoever administers it can let it: {command}"
