"""Connection to the cluster and the namespaces that the options of a command select, as kubectl does."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from freehold.views.errors import Failure

if TYPE_CHECKING:
    from freehold.kube.client import Api


@dataclass(frozen=True)
class Connection:
    """The connection options of a command; None: the kubeconfig decides."""

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None
    all_namespaces: bool = False

    @asynccontextmanager
    async def open(self) -> AsyncIterator[tuple[Api, str]]:
        """Connect; yield the client and the selected namespace; close the client on exit. Raises Failure."""
        from freehold.kube.client import Api, connect_to
        from freehold.kube.errors import NoClusterError

        logging.getLogger("kubernetes").setLevel(logging.ERROR)  # the failure repeats the client's warnings
        try:
            client, home = await connect_to(self.kubeconfig, self.context)
        except NoClusterError as error:
            raise self._failure(str(error)) from error
        api = Api(client)
        try:
            yield api, self.namespace or home
        finally:
            await api.close()

    def _failure(self, message: str) -> Failure:
        file = self.kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
        if not any(Path(path).expanduser().exists() for path in file.split(os.pathsep)):
            return Failure(f"no cluster: {file} does not exist; name a kubeconfig with --kubeconfig or KUBECONFIG")
        if self.context and f"name {self.context} in" in message:
            return Failure(f"{file} has no context {self.context}; kubectl config get-contexts lists its contexts")
        return Failure(f"no cluster: {file} cannot be used: {' '.join(message.split())}")
