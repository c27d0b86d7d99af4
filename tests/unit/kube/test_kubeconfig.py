"""Kubeconfigs in Secrets: only a token for the registered server is accepted."""

from __future__ import annotations

import base64
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from freehold.core.model.resources import Object
from freehold.kube import kubeconfig
from freehold.kube.kubeconfig import UnusableKubeconfigError

from tests.unit.kube.remote_server import registered

CLUSTER = {"server": "https://192.0.2.1:6443"}
WEST = registered("https://192.0.2.1:6443")


def text(cluster: Any = CLUSTER, user: Any = None, **whole: Any) -> str:
    parts = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": {"token": "secret"} if user is None else user}],
    }
    return yaml.safe_dump({**parts, **whole})


def secret(text: str, key: str = "value") -> Object:
    return {"data": {key: base64.b64encode(text.encode()).decode()}}


def bomb(levels: int) -> str:
    """Return a kubeconfig whose server is a list of lists, ten times larger with each level."""
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{level}: &a{level} [{','.join([f'*a{level - 1}'] * 10)}]" for level in range(1, levels)]
    lines += ["current-context: x", "contexts: [{name: x, context: {cluster: x, user: x}}]"]
    lines += [f"clusters: [{{name: x, cluster: {{server: *a{levels - 1}}}}}]", "users: [{name: x, user: {token: t}}]"]
    return "\n".join(lines)


def test_token_read_from_secret() -> None:
    """The token is read from either key of the Secret; an authority in the kubeconfig is not used."""
    authority = {**CLUSTER, "certificate-authority-data": "bm9uZQ=="}
    for key in kubeconfig.KEYS:
        assert kubeconfig.token("west", secret(text(authority), key), WEST) == "secret"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (text(user={"exec": {"command": "id"}}), "user has exec, which is refused; use only token"),
        (text(user={"auth-provider": {"name": "x"}}), "user has auth-provider"),
        (text(user={"tokenFile": "/var/run/secrets/token"}), "user has tokenFile"),
        (text(user={"client-key": "/etc/key"}), "user has client-key,"),
        (text(user={"client-certificate-data": "eA==", "client-key-data": "eA=="}), "user has client-certificate-data"),
        (text(user={"token": "a", "as": "admin"}), "user has as,"),
        (text(user={"token": "a", "\u001b]52;": "admin"}), "user has unknown fields,"),
        (text({**CLUSTER, "certificate-authority": "/etc/ca"}), "cluster has certificate-authority,"),
        (text({**CLUSTER, "proxy-url": "http://192.0.2.9"}), "cluster has proxy-url"),
        (text({**CLUSTER, "insecure-skip-tls-verify": True}), "cluster has insecure-skip-tls-verify"),
        (text({"server": "http://192.0.2.1:6443"}), "names another server than https://192.0.2.1:6443"),
        (text({"server": "https://192.0.2.1:6443/path?x="}), "names another server"),
        (text({"server": "https://192.0.2.9:6443"}), "names another server"),
        (text({"server": ["https://192.0.2.1:6443"]}), "names another server"),
        (text({}), "names another server"),
        (text(user={}), "has no token"),
        (text(user={"token": ["a"]}), "has no token"),
        (text(user={"token": "a\nX-Injected: b"}), "has no token"),
        (text(user={"token": "a" * 20000}), "has no token"),
        (text(["a"]), "are no maps"),
        (text(user="a"), "are no maps"),
        (text(contexts=[]), "no current-context with its cluster and user"),
        (text(contexts={"name": "x"}), "no current-context with its cluster and user"),
        (text(**{"current-context": ["x"]}), "no current-context"),
        ("- a list", "no current-context"),
        ("{", "no current-context"),
        ("!!python/object:os.system x", "no current-context"),
        ("? {a: b}\n: c", "no current-context"),
        (bomb(3), "has aliases, or too many parts or levels"),
        ("[" * 30000, "has aliases, or too many parts or levels"),
        (f"a: [{'x,' * 20000}]", "has aliases, or too many parts or levels"),
        (f"a: {'x' * 70000}", "is larger than 65536 bytes"),
    ],
)
def test_unsafe_kubeconfig_refused(given: str, message: str) -> None:
    """Plugins, files, other servers and unusable documents are refused by name."""
    with pytest.raises(UnusableKubeconfigError, match=message):
        kubeconfig.token("west", secret(given), WEST)


def test_aliases_refused_before_they_are_expanded() -> None:
    """A kubeconfig of some hundred bytes does not take the operator's time (CVE-2019-11253)."""
    started = time.process_time()
    with pytest.raises(UnusableKubeconfigError, match="aliases"):
        kubeconfig.token("west", secret(bomb(9)), WEST)
    assert time.process_time() - started < 1


def test_no_temporary_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither an accepted nor a refused kubeconfig leaves a file behind."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    kubeconfig.token("west", secret(text({**CLUSTER, "certificate-authority-data": "bm9uZQ=="})), WEST)
    with pytest.raises(UnusableKubeconfigError):
        kubeconfig.token("west", secret(text({"server": "https://x", "certificate-authority-data": "bm9uZQ=="})), WEST)
    assert list(tmp_path.iterdir()) == []


def test_secret_without_kubeconfig_refused() -> None:
    """A missing Secret, another key, and other bytes are refused."""
    with pytest.raises(UnusableKubeconfigError, match="Secret west with the kubeconfig does not exist"):
        kubeconfig.token("west", None, WEST)
    with pytest.raises(UnusableKubeconfigError, match="has no key value or kubeconfig"):
        kubeconfig.token("west", secret(text(), "config"), WEST)
    with pytest.raises(UnusableKubeconfigError, match="is not UTF-8 text"):
        kubeconfig.token("west", {"data": {"value": "\u00e9"}}, WEST)
