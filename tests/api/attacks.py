"""Objects of the form that Freehold makes, and edits by which a thief of its token would gain something."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from freehold.core.model.resources import Object
from freehold.core.objects import meta

LABELS = meta.selector("users", meta.SERVICE)
OWNER: Object = {"apiVersion": "freehold.dev/v1alpha1", "kind": "Microservice", "name": "users", "uid": "1"}
Build = Callable[[str], Object]
"""A builder of an object in a namespace."""
Edit = Callable[[Object], Any]


def pod(**spec: Any) -> Edit:
    """Return an edit of a pod template's spec."""
    return lambda job: job["spec"]["template"]["spec"].update(spec)


def container(**body: Any) -> Edit:
    """Return an edit of a pod's container."""
    return lambda job: job["spec"]["template"]["spec"]["containers"][0].update(body)


def context(**body: Any) -> Edit:
    """Return an edit of a container's security context."""
    return lambda job: job["spec"]["template"]["spec"]["containers"][0]["securityContext"].update(body)


def volume(**source: Any) -> Edit:
    return pod(volumes=[{"name": "it", **source}])


def metadata(**body: Any) -> Edit:
    return lambda live: live["metadata"].update(body)


def spec(**body: Any) -> Edit:
    return lambda live: live["spec"].update(body)


def job(namespace: str) -> Object:
    """Return a Job as Freehold makes one, which the policies admit."""
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True}
    body = {"name": "it", "image": "it", "securityContext": security}
    template = {
        "serviceAccountName": "users",
        "automountServiceAccountToken": False,
        "restartPolicy": "Never",
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [body],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": named(namespace, "users-migrations-0123456789"),
        "spec": {"template": {"metadata": {"labels": LABELS}, "spec": template}},
    }


def named(namespace: str, name: str) -> Object:
    return {"name": name, "namespace": namespace, "labels": LABELS, "ownerReferences": [OWNER]}


def secret(namespace: str) -> Object:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": named(namespace, "users-database"), "type": "Opaque"}


def account(namespace: str) -> Object:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": named(namespace, "users")}


def service(namespace: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": named(namespace, "users"),
        "spec": {"type": "ClusterIP", "selector": LABELS, "ports": [{"port": 1}]},
    }


def policy(namespace: str) -> Object:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": named(namespace, "users"),
        "spec": {"podSelector": {"matchLabels": LABELS}, "policyTypes": ["Ingress"]},
    }


def token_of(name: str) -> Edit:
    """Return an edit by which Kubernetes fills a Secret with the token of an account."""

    def edit(live: Object) -> None:
        live["type"] = "kubernetes.io/service-account-token"
        live["metadata"]["annotations"] = {"kubernetes.io/service-account.name": name}

    return edit


ATTACKS: dict[str, tuple[Build, Edit, str]] = {
    "no label": (service, metadata(labels={}), "labels"),
    "another name": (job, metadata(name="backup"), "names derived"),
    "a name like a collision": (account, metadata(labels={**LABELS, meta.INSTANCE: "x-database"}), "labels"),
    "no owner": (job, metadata(ownerReferences=[]), "owned"),
    "pods of another service": (job, lambda job: job["spec"]["template"]["metadata"].update(labels={}), "pods of"),
    "a foreign account": (job, pod(serviceAccountName="clusterrole-aggregation-controller"), "account"),
    "a token": (job, pod(automountServiceAccountToken=True), "token"),
    "a token by default": (
        job,
        lambda job: job["spec"]["template"]["spec"].pop("automountServiceAccountToken"),
        "token",
    ),
    "the node's network": (job, pod(hostNetwork=True), "node"),
    "the node's processes": (job, pod(hostPID=True), "node"),
    "a chosen node": (job, pod(nodeName="control-plane"), "node"),
    "a registry's credentials": (job, pod(imagePullSecrets=[{"name": "registry"}]), "node"),
    "a system priority": (job, pod(priorityClassName="system-node-critical"), "node"),
    "root": (job, pod(securityContext={}), "restricted"),
    "privileged": (job, context(privileged=True, allowPrivilegeEscalation=True), "restricted"),
    "a capability": (job, context(capabilities={"add": ["SYS_ADMIN"], "drop": ["ALL"]}), "restricted"),
    "a port of the node": (job, container(ports=[{"containerPort": 80, "hostPort": 80}]), "restricted"),
    "privileged at the start": (
        job,
        pod(initContainers=[{"name": "first", "image": "it", "securityContext": {"privileged": True}}]),
        "restricted",
    ),
    "a folder of the node": (job, volume(hostPath={"path": "/"}), "volumes"),
    "a foreign Secret": (job, volume(secret={"secretName": "admin"}), "volumes"),
    "a projected Secret": (job, volume(projected={"sources": [{"secret": {"name": "admin"}}]}), "volumes"),
    "a projected token": (
        job,
        volume(projected={"sources": [{"serviceAccountToken": {"path": "it"}}]}),
        "volumes",
    ),
    "a foreign claim": (job, volume(persistentVolumeClaim={"claimName": "other"}), "volumes"),
    "a Secret as a variable": (
        job,
        container(env=[{"name": "IT", "valueFrom": {"secretKeyRef": {"name": "admin", "key": "it"}}}]),
        "Secrets of the service",
    ),
    "a Secret as all variables": (job, container(envFrom=[{"secretRef": {"name": "admin"}}]), "Secrets of the service"),
    "an account's token": (secret, token_of("admin"), "passwords"),
    "a label of a restored object": (account, metadata(labels={**LABELS, "freehold.dev/restored": "yes"}), "restored"),
    "a foreign Secret's name": (secret, metadata(name="admin"), "names derived"),
    "a role in a cloud": (account, metadata(annotations={"eks.amazonaws.com/role-arn": "admin"}), "annotates"),
    "an account with a registry": (account, lambda live: live.update(imagePullSecrets=[{"name": "it"}]), "to accounts"),
    "an address outside": (service, spec(externalIPs=["192.0.2.1"]), "Services lead"),
    "a port on every node": (service, spec(type="NodePort"), "Services lead"),
    "a name outside": (service, spec(type="ExternalName", externalName="evil.example"), "Services lead"),
    "a wall of everybody": (policy, spec(podSelector={}), "policies select"),
}
"""By name: a builder, an edit, and words of the refusal."""
