"""Where to look: the cluster and the namespaces that the options of a command name, as kubectl understands them."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from freehold.views.errors import Failure

if TYPE_CHECKING:
    from freehold.kube.client import Api

Command = Callable[..., Any]


@dataclass(frozen=True)
class Place:
    """What the options say; None is left to the kubeconfig."""

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None
    everywhere: bool = False

    @asynccontextmanager
    async def open(self) -> AsyncIterator[tuple[Api, str]]:
        """The way into the cluster, closed at the end, and the namespace that is meant. Raises Failure."""
        from freehold.kube.client import Api, connect_to
        from freehold.kube.errors import NoClusterError

        logging.getLogger("kubernetes").setLevel(logging.ERROR)  # what it warns of is said by the error
        try:
            connection, home = await connect_to(self.kubeconfig, self.context)
        except NoClusterError as error:
            raise self._failure(str(error)) from error
        api = Api(connection)
        try:
            yield api, self.namespace or home
        finally:
            await api.close()

    def _failure(self, said: str) -> Failure:
        file = self.kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
        if not any(Path(one).expanduser().exists() for one in file.split(os.pathsep)):
            return Failure(f"no cluster to ask: {file} does not exist; name a kubeconfig by --kubeconfig or KUBECONFIG")
        if self.context and f"name {self.context} in" in said:
            return Failure(f"{file} has no context {self.context}; kubectl config get-contexts lists those it has")
        return Failure(f"no cluster to ask: {file} cannot be used: {' '.join(said.split())}")


def placed(*, everywhere: bool = True) -> Callable[[Command], Command]:
    """The options that say where; the command gets them as `place`. everywhere: whether all namespaces can be meant."""
    options = [
        click.option("-n", "--namespace", metavar="NAME", help="Instead of the namespace of the context."),
        click.option("--context", metavar="NAME", help="Instead of the current context of the kubeconfig."),
        click.option("--kubeconfig", metavar="FILE", type=click.Path(), help="Instead of KUBECONFIG."),
    ]
    if everywhere:
        options.insert(1, click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="All namespaces."))

    def decorate(command: Command) -> Command:
        @wraps(command)
        def called(
            kubeconfig: str | None, context: str | None, namespace: str | None, everywhere: bool = False, **rest: Any
        ) -> Any:
            return command(place=Place(kubeconfig, context, namespace, everywhere), **rest)

        for option in reversed(options):
            called = option(called)
        return called

    return decorate
