"""An admission webhook that changes workloads of a namespace as they are written, like those of managed platforms."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from freehold.core.model.resources import Object

from localcluster import certificates
from tests.api.cluster import Cluster

Edit = Callable[[Object], list[Object]]
"""Returns the JSON patch for an object."""
MIRROR = "mirror.example/"
CONTAINER = "/spec/template/spec/containers/0"


def first_container(body: Object) -> Object:
    """Return the first container of a workload's template."""
    container: Object = body["spec"]["template"]["spec"]["containers"][0]
    return container


def floor(body: Object) -> list[Object]:
    """Raise small CPU requests to 50m."""
    asked = first_container(body)["resources"].get("requests", {}).get("cpu", "")
    path = f"{CONTAINER}/resources/requests/cpu"
    return [{"op": "replace", "path": path, "value": "50m"}] if asked == "25m" else []


def mirror(body: Object) -> list[Object]:
    """Write a registry of the platform into the image."""
    image = first_container(body)["image"]
    change = {"op": "replace", "path": f"{CONTAINER}/image", "value": MIRROR + image}
    return [] if image.startswith(MIRROR) else [change]


def variable(body: Object) -> list[Object]:
    """Add a variable to the environment, as for a proxy."""
    known = first_container(body).get("env", [])
    added = {"name": "HTTPS_PROXY", "value": "http://proxy.example"}
    if added in known:
        return []
    return [{"op": "add", "path": f"{CONTAINER}/env", "value": [*known, added]}]


@contextmanager
def mutating(cluster: Cluster, namespace: str, folder: Path, edit: Edit, *operations: str) -> Iterator[None]:
    """Change Deployments, StatefulSets and Jobs of a namespace at these operations."""
    certificates.ensure(folder / "pki", [certificates.Identity("webhook", "webhook", hosts=("127.0.0.1",))])
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(edit))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "pki/webhook.crt", folder / "pki/webhook.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    authority = base64.b64encode((folder / f"pki/{certificates.CLUSTER_AUTHORITY}.crt").read_bytes()).decode()
    address = f"https://127.0.0.1:{server.server_port}/"
    configurations = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
    try:
        cluster.request("POST", configurations, _configuration(namespace, operations, address, authority))
        yield
    finally:
        cluster.request("DELETE", f"{configurations}/{namespace}")
        server.shutdown()
        server.server_close()


def _configuration(namespace: str, operations: tuple[str, ...], address: str, authority: str) -> Object:
    rule = {
        "apiGroups": ["apps", "batch"],
        "apiVersions": ["v1"],
        "resources": ["deployments", "statefulsets", "jobs"],
        "operations": list(operations),
    }
    webhook = {
        "name": "workloads.webhook.example",
        "rules": [rule],
        "clientConfig": {"url": address, "caBundle": authority},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    return {"metadata": {"name": namespace}, "webhooks": [webhook]}


def _handler(edit: Edit) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
            patch = base64.b64encode(json.dumps(edit(request["object"])).encode()).decode()
            answer = {"uid": request["uid"], "allowed": True, "patchType": "JSONPatch", "patch": patch}
            review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer}
            body = json.dumps(review).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
