"""What is taken of a kubeconfig that somebody put into a Secret: credentials, and nothing that acts."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import yaml
from freehold.kube import kubeconfig
from freehold.kube.kubeconfig import UnusableKubeconfigError

CLUSTER = {"server": "https://192.0.2.1:6443"}


def text(cluster: dict[str, Any] = CLUSTER, user: dict[str, Any] | None = None, **whole: Any) -> str:
    parts = {
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user or {"token": "secret"}}],
    }
    return yaml.safe_dump({**parts, **whole})


async def test_a_token_and_an_address_are_all_it_takes() -> None:
    api = await kubeconfig.connect(text())
    assert api.server == "https://192.0.2.1:6443"
    await api.close()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (text(user={"exec": {"command": "id"}}), "user has exec, which is not taken"),
        (text(user={"auth-provider": {"name": "x"}}), "user has auth-provider"),
        (text(user={"tokenFile": "/var/run/secrets/token"}), "user has tokenFile"),
        (text(user={"client-key": "/etc/key"}), "user has client-key,"),
        (text(user={"token": "a", "as": "admin"}), "user has as,"),
        (text({**CLUSTER, "certificate-authority": "/etc/ca"}), "cluster has certificate-authority,"),
        (text({**CLUSTER, "proxy-url": "http://192.0.2.9"}), "cluster has proxy-url"),
        (text({**CLUSTER, "insecure-skip-tls-verify": True}), "cluster has insecure-skip-tls-verify"),
        (text({**CLUSTER, "certificate-authority-data": "bm9uZQ=="}), "the kubeconfig cannot be used"),
        (text({**CLUSTER, "certificate-authority-data": "?"}), "the kubeconfig cannot be used"),
        (text(user={"client-certificate-data": "bm9uZQ==", "client-key-data": "bm9uZQ=="}), "cannot be used"),
        (text({"server": "http://192.0.2.1"}), "server is no https:// address"),
        (text({}), "server is no https:// address"),
        (text(contexts=[]), "no current-context with its cluster and user"),
        ("- a list", "no current-context"),
        ("{", "no current-context"),
    ],
)
async def test_what_acts_is_refused_and_named(given: str, message: str) -> None:
    with pytest.raises(UnusableKubeconfigError, match=message):
        await kubeconfig.connect(given)


def test_it_is_found_under_either_key() -> None:
    encoded = base64.b64encode(b"it").decode()
    for key in kubeconfig.KEYS:
        assert kubeconfig.of("west", {"data": {key: encoded}}) == "it"
    with pytest.raises(UnusableKubeconfigError, match="there is no Secret west"):
        kubeconfig.of("west", None)
    with pytest.raises(UnusableKubeconfigError, match="has no key value or kubeconfig"):
        kubeconfig.of("west", {"data": {"config": encoded}})
    with pytest.raises(UnusableKubeconfigError, match="is no text"):
        kubeconfig.of("west", {"data": {"value": "\u00e9"}})
