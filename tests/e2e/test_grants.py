"""Secrets need a RoleBinding in each namespace; the condition of a service without one names the command."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from tests.e2e.support.cluster import Space
from tests.e2e.support.microservices import users

SOON = 15


def test_grants_command_in_message(spaces: Callable[..., Space]) -> None:
    """Without the RoleBinding the condition names a kubectl command, and the command makes the service Ready."""
    space = spaces("ungranted")
    space.delete("rolebinding/freehold")
    space.apply(users())

    said = space.until_condition("users", "CredentialsReady", "False", "SecretsNotGranted", within=SOON)
    space.until_condition("users", "Ready", "False", "SecretsNotGranted", within=SOON)
    warned = space.until_event("users", "Warning", "SecretsNotGranted")
    ours = "app.kubernetes.io/managed-by=freehold"
    # The contract is read nevertheless, which needs no Secret.
    assert not space.find("secrets,statefulsets,deployments,jobs", f"{ours},app.kubernetes.io/component!=contract")

    command = said[said.index("kubectl ") :]
    assert command in warned
    space.cluster.kubectl(*shlex.split(command)[1:])

    space.until_ready("users")
    assert {secret["metadata"]["name"] for secret in space.find("secrets", ours)} == {
        "users-database",
        "users-database-owner",
        "users-database-server",
        "users-database-tls",
    }
