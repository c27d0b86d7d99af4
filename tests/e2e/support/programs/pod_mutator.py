"""An admission webhook in the standard library alone. Certificate and key are in /tls; port 8443. A path is a change:

/last    a pod gets one more container after its own, which never ends
/first   the same, before its own
/slow    a pod waits before its own containers until its image is known for 90 seconds, as for a slow registry
/ttl     a Job is removed 5 seconds after its end
/write   an object gets an annotation, and a workload requests at least 50m of a processor
"""

import base64
import json
import os
import ssl
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CAPABILITIES = {"drop": ["ALL"]}
AGENT = {
    "name": "agent",
    "image": os.environ["AGENT_IMAGE"],
    "imagePullPolicy": "IfNotPresent",
    "command": ["sleep", "infinity"],
    "resources": {"requests": {"cpu": "5m", "memory": "16Mi"}, "limits": {"cpu": "50m", "memory": "64Mi"}},
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "capabilities": CAPABILITIES,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    },
}


def injected(body, where):
    if any(container["name"] == AGENT["name"] for container in body["spec"]["containers"]):
        return []
    return [{"op": "add", "path": f"/spec/containers/{where}", "value": AGENT}]


PULL_SECONDS = 90
ANNOTATION = "platform.example/reviewed"
SMALL, LEAST = ("5m", "10m", "25m"), "50m"
first_seen = {}


def pulled(body):
    """Return the patch that lets a pod wait for its image."""
    began = first_seen.setdefault(body["spec"]["containers"][0]["image"], time.monotonic())
    left = int(began + PULL_SECONDS - time.monotonic())
    if left <= 0:
        return []
    waits = {**AGENT, "name": "pull", "command": ["sleep", str(left)]}
    return [{"op": "add", "path": "/spec/initContainers", "value": [waits, *body["spec"].get("initContainers", [])]}]


def reviewed(body):
    """Return the patch that a platform applies to every object that is written."""
    known = {**body["metadata"].get("annotations", {}), ANNOTATION: "yes"}
    changes = [{"op": "add", "path": "/metadata/annotations", "value": known}]
    containers = body.get("spec", {}).get("template", {}).get("spec", {}).get("containers", [])
    for number, container in enumerate(containers):
        if container.get("resources", {}).get("requests", {}).get("cpu") in SMALL:
            path = f"/spec/template/spec/containers/{number}/resources/requests/cpu"
            changes.append({"op": "replace", "path": path, "value": LEAST})
    return changes


CHANGES = {
    "/last": lambda body: injected(body, "-"),
    "/first": lambda body: injected(body, "0"),
    "/slow": pulled,
    "/ttl": lambda _: [{"op": "add", "path": "/spec/ttlSecondsAfterFinished", "value": 5}],
    "/write": reviewed,
}


class Webhook(BaseHTTPRequestHandler):
    def do_POST(self):
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
        patch = json.dumps(CHANGES[self.path.partition("?")[0]](review["object"])).encode()
        answer = {"uid": review["uid"], "allowed": True, "patchType": "JSONPatch"}
        answer["patch"] = base64.b64encode(patch).decode()
        body = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer}
        text = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("", 8443), Webhook)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/tls/tls.crt", "/tls/tls.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
