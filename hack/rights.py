"""Compares the operator's RBAC rights with the rights it used, from the API server's audit log.

    python -m hack.rights AUDIT_LOG…                     the rights of the chart
    python -m hack.rights --kubeconfig FILE AUDIT_LOG…   the rights in a cluster

A right is a verb on a resource type, in any namespace. The log must contain all requests of the operator
(`python -m localcluster up --audit`) during a run of all its features, such as the end-to-end tests. Exit code 1: a
granted right was never used.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from hack.generate import NAMESPACE, ROOT
from localcluster import audit
from localcluster.paths import tools_bin

INSTALL = ROOT / "manifests/install/freehold.yaml"
ACCOUNT = f"{NAMESPACE}/freehold"
RBAC = "rbac.authorization.k8s.io"
KINDS = "clusterroles,clusterrolebindings,roles,rolebindings"
Object = dict[str, Any]


class Right(NamedTuple):
    """A verb on a resource with kubectl's name, such as `jobs.batch` or `microservices.freehold.dev/status`."""

    resource: str
    verb: str


@dataclass(frozen=True)
class Rights:
    """The rights that a ServiceAccount has by its own roles, and those it used."""

    roles: tuple[str, ...]
    granted: frozenset[Right]
    used: frozenset[Right]

    @property
    def unused(self) -> frozenset[Right]:
        return self.granted - self.used

    def __str__(self) -> str:
        """Format both sets and their differences, one resource per line."""
        others = self.used - self.granted
        parts = [
            _part(f"granted   {len(self.granted)} rights, by {', '.join(self.roles) or 'no role'}", self.granted),
            _part(f"used      {len(self.used)} rights", self.used),
            _part(f"besides   {len(others)} rights of all users, also used", others),
            _part(f"not used  {len(self.unused)} rights that were granted", self.unused),
        ]
        return "\n".join(parts)


def compare(objects: Iterable[Object], requests: Iterable[audit.Request], account: str = ACCOUNT) -> Rights:
    """Compare rights and requests. objects: all roles and bindings. account: a ServiceAccount as NAMESPACE/NAME."""
    roles = _roles(list(objects), account)
    names = tuple(sorted({f"{role['kind']} {role['metadata']['name']}" for role in roles}))
    return Rights(names, frozenset(_granted(roles)), frozenset(_used(requests)))


def user(account: str) -> str:
    """Return the API server's user name of a ServiceAccount given as NAMESPACE/NAME."""
    return "system:serviceaccount:" + account.replace("/", ":")


def chart() -> list[Object]:
    """Return all objects of the chart with default values."""
    return list(yaml.safe_load_all(INSTALL.read_text()))


def in_cluster(kubeconfig: Path) -> list[Object]:
    """Return all roles and bindings of a cluster."""
    command = [str(tools_bin() / "kubectl"), f"--kubeconfig={kubeconfig}", "get", KINDS, "-A", "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"rights: {' '.join(command)}: {done.stderr.strip()}")
    found: list[Object] = json.loads(done.stdout)["items"]
    return found


def lines(files: Iterable[Path]) -> Iterator[bytes]:
    """Yield the complete lines of audit logs; an incomplete last line is left out."""
    for file in files:
        with file.open("rb") as log:
            yield from (line for line in log if line.endswith(b"\n"))


def _roles(objects: list[Object], account: str) -> list[Object]:
    """Return the roles bound to the account, and those the account may bind to itself."""
    bound = {_role_of(body) for body in objects if body["kind"].endswith("Binding") and _binds(body, account)}
    own = [body for body in objects if _identity(body) in bound]
    rules = [rule for role in own for rule in role.get("rules") or () if "bind" in rule["verbs"]]
    bindable = {name for rule in rules for name in rule.get("resourceNames", ())}
    others = [role for role in objects if role["kind"] == "ClusterRole" and role["metadata"]["name"] in bindable]
    return own + [role for role in others if role not in own]


def _binds(binding: Object, account: str) -> bool:
    subjects = binding.get("subjects") or ()
    names = (
        f"{subject.get('namespace')}/{subject['name']}" for subject in subjects if subject["kind"] == "ServiceAccount"
    )
    return account in names


def _role_of(binding: Object) -> tuple[str, str, str]:
    role = binding["roleRef"]
    return role["kind"], binding["metadata"]["namespace"] if role["kind"] == "Role" else "", role["name"]


def _identity(body: Object) -> tuple[str, str, str]:
    return body["kind"], body["metadata"].get("namespace", ""), body["metadata"]["name"]


def _granted(roles: list[Object]) -> Iterator[Right]:
    for rule in (rule for role in roles for rule in role.get("rules") or ()):
        every = itertools.product(rule.get("apiGroups", ()), rule.get("resources", ()), rule["verbs"])
        yield from (Right(_named(group, resource), verb) for group, resource, verb in every)


def _used(requests: Iterable[audit.Request]) -> Iterator[Right]:
    for request in requests:
        if not request.allowed:
            continue
        yield Right(_named(request.group, request.resource), request.verb)
        # A server-side apply that creates its object needs the right to create as well.
        if request.verb == "patch" and request.made:
            yield Right(_named(request.group, request.resource), "create")
        # A write of a binding needs the right to bind, which has no request of its own.
        if request.group == RBAC and request.resource.endswith("bindings") and request.verb in audit.WRITES:
            yield from (Right(f"{kind}.{RBAC}", "bind") for kind in ("roles", "clusterroles"))


def _named(group: str, resource: str) -> str:
    kind, slash, part = resource.partition("/")
    return f"{kind}.{group}{slash}{part}" if group else resource


def _part(head: str, rights: frozenset[Right]) -> str:
    """Format rights under a heading, with the verbs of a resource in one line."""
    sets = itertools.groupby(sorted(rights), key=lambda right: right.resource)
    rows = [f"          {resource:<40} {' '.join(right.verb for right in rows)}" for resource, rows in sets]
    return "\n".join([head, *rows])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m hack.rights", description=__doc__.partition("\n")[0])
    parser.add_argument("logs", nargs="+", type=Path, metavar="AUDIT_LOG", help="audit logs of one API server")
    parser.add_argument("--kubeconfig", type=Path, help="read the roles of this cluster; default: those of the chart")
    parser.add_argument(
        "--account", default=ACCOUNT, help="the ServiceAccount, as NAMESPACE/NAME; default: %(default)s"
    )
    options = parser.parse_args(arguments)
    objects = in_cluster(options.kubeconfig) if options.kubeconfig else chart()
    rights = compare(objects, audit.requests(lines(options.logs), user(options.account)), options.account)
    print(rights)
    return 1 if rights.unused else 0


if __name__ == "__main__":
    sys.exit(main())
