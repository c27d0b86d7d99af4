"""Kubeconfigs in Secrets: inline credentials are accepted, plugins and files are refused."""

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
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user or {"token": "secret"}}],
    }
    return yaml.safe_dump({**parts, **whole})


async def test_token_and_server_suffice() -> None:
    """A kubeconfig needs only a server and a token."""
    api = await kubeconfig.connect(text())
    assert api.server == "https://192.0.2.1:6443"
    await api.close()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (text(user={"exec": {"command": "id"}}), "user has exec, which is refused"),
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
        (text({"server": "http://192.0.2.1"}), "server is not an https:// address"),
        (text({}), "server is not an https:// address"),
        (text(contexts=[]), "no current-context with its cluster and user"),
        ("- a list", "no current-context"),
        ("{", "no current-context"),
    ],
)
async def test_unsafe_fields_refused(given: str, message: str) -> None:
    """Plugins, files and other unsafe or unusable fields are refused by name."""
    with pytest.raises(UnusableKubeconfigError, match=message):
        await kubeconfig.connect(given)


def test_kubeconfig_read_from_secret() -> None:
    """The kubeconfig is read from either key of the Secret; anything else is refused."""
    encoded = base64.b64encode(b"text").decode()
    for key in kubeconfig.KEYS:
        assert kubeconfig.of("west", {"data": {key: encoded}}) == "text"
    with pytest.raises(UnusableKubeconfigError, match="Secret west with the kubeconfig does not exist"):
        kubeconfig.of("west", None)
    with pytest.raises(UnusableKubeconfigError, match="has no key value or kubeconfig"):
        kubeconfig.of("west", {"data": {"config": encoded}})
    with pytest.raises(UnusableKubeconfigError, match="is not UTF-8 text"):
        kubeconfig.of("west", {"data": {"value": "\u00e9"}})
