"""What the operator may do and what of it it did: its roles, held against the API server's audit log.

    python -m hack.rights AUDIT_LOG…                     its roles as the chart makes them
    python -m hack.rights --kubeconfig FILE AUDIT_LOG…   its roles in that cluster

A right is a verb on a kind of resource, wherever it is granted or used. The log must hold every request of the operator
(`python -m localcluster up --audit`), from a time in which it did all it ever does, as in the end-to-end tests. Exit
code 1: it was granted something that it never used.
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
    """resource: as kubectl names it, like `jobs.batch` or `microservices.freehold.dev/status`."""

    resource: str
    verb: str


@dataclass(frozen=True)
class Rights:
    """What one ServiceAccount may do by its own roles, and what it did."""

    roles: tuple[str, ...]
    granted: frozenset[Right]
    used: frozenset[Right]

    @property
    def unused(self) -> frozenset[Right]:
        return self.granted - self.used

    def __str__(self) -> str:
        """Both sets and how they differ, one resource a line."""
        others = self.used - self.granted
        parts = [
            _part(
                f"granted   {len(self.granted)} rights, by {', '.join(self.roles) or 'no role at all'}", self.granted
            ),
            _part(f"used      {len(self.used)} rights", self.used),
            _part(f"besides   {len(others)} rights of everybody, used as well", others),
            _part(f"not used  {len(self.unused)} rights that were granted", self.unused),
        ]
        return "\n".join(parts)


def compare(objects: Iterable[Object], requests: Iterable[audit.Request], account: str = ACCOUNT) -> Rights:
    """objects: all roles and bindings there are. account: a ServiceAccount, as NAMESPACE/NAME."""
    roles = _roles(list(objects), account)
    names = tuple(sorted({f"{role['kind']} {role['metadata']['name']}" for role in roles}))
    return Rights(names, frozenset(_granted(roles)), frozenset(_used(requests)))


def user(account: str) -> str:
    """The name by which the API server knows a ServiceAccount, given as NAMESPACE/NAME."""
    return "system:serviceaccount:" + account.replace("/", ":")


def chart() -> list[Object]:
    """What the chart makes by default, all of it."""
    return list(yaml.safe_load_all(INSTALL.read_text()))


def in_cluster(kubeconfig: Path) -> list[Object]:
    """All roles and bindings of a cluster."""
    command = [str(tools_bin() / "kubectl"), f"--kubeconfig={kubeconfig}", "get", KINDS, "-A", "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"rights: {' '.join(command)}: {done.stderr.strip()}")
    found: list[Object] = json.loads(done.stdout)["items"]
    return found


def lines(files: Iterable[Path]) -> Iterator[bytes]:
    """The whole lines of audit logs; one that is still being written is left out."""
    for file in files:
        with file.open("rb") as log:
            yield from (line for line in log if line.endswith(b"\n"))


def _roles(objects: list[Object], account: str) -> list[Object]:
    """The roles bound to the account, and those that it may bind itself."""
    bound = {_role_of(body) for body in objects if body["kind"].endswith("Binding") and _binds(body, account)}
    own = [body for body in objects if _identity(body) in bound]
    rules = [rule for role in own for rule in role.get("rules") or () if "bind" in rule["verbs"]]
    bindable = {name for rule in rules for name in rule.get("resourceNames", ())}
    others = [role for role in objects if role["kind"] == "ClusterRole" and role["metadata"]["name"] in bindable]
    return own + [role for role in others if role not in own]


def _binds(binding: Object, account: str) -> bool:
    subjects = binding.get("subjects") or ()
    names = (f"{one.get('namespace')}/{one['name']}" for one in subjects if one["kind"] == "ServiceAccount")
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
        # A server-side apply that makes its object is asked for the right to create as well.
        if request.verb == "patch" and request.made:
            yield Right(_named(request.group, request.resource), "create")
        # The right to bind is asked for when a binding is written, and is in no request of its own.
        if request.group == RBAC and request.resource.endswith("bindings") and request.verb in audit.WRITES:
            yield from (Right(f"{kind}.{RBAC}", "bind") for kind in ("roles", "clusterroles"))


def _named(group: str, resource: str) -> str:
    kind, slash, part = resource.partition("/")
    return f"{kind}.{group}{slash}{part}" if group else resource


def _part(head: str, rights: frozenset[Right]) -> str:
    """A set of rights under its heading, the verbs of each resource together."""
    sets = itertools.groupby(sorted(rights), key=lambda right: right.resource)
    rows = [f"          {resource:<40} {' '.join(right.verb for right in those)}" for resource, those in sets]
    return "\n".join([head, *rows])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m hack.rights", description=__doc__.partition("\n")[0])
    parser.add_argument("logs", nargs="+", type=Path, metavar="AUDIT_LOG", help="audit logs of one API server")
    parser.add_argument("--kubeconfig", type=Path, help="the cluster whose roles count; left out, those of the chart")
    parser.add_argument("--account", default=ACCOUNT, help="whose rights, as NAMESPACE/NAME; default: %(default)s")
    told = parser.parse_args(arguments)
    objects = in_cluster(told.kubeconfig) if told.kubeconfig else chart()
    rights = compare(objects, audit.requests(lines(told.logs), user(told.account)), told.account)
    print(rights)
    return 1 if rights.unused else 0


if __name__ == "__main__":
    sys.exit(main())
