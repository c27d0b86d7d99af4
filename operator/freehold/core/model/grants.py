"""The grant, a RoleBinding that lets the operator keep Secrets in a namespace."""

from __future__ import annotations

from freehold.core.model.case import Case


def secrets_not_granted(case: Case) -> str:
    """Return the message for a namespace without a grant, including the command to grant Secrets."""
    platform, namespace = case.observed.platform, case.namespace
    command = (
        f"kubectl create rolebinding freehold --namespace {namespace} "
        f"--clusterrole={platform.secrets_role} --serviceaccount={platform.account}"
    )
    return (
        f"Freehold may not keep Secrets in namespace {namespace}; an administrator of the namespace can run: {command}"
    )
