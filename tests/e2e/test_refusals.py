"""The API server refuses invalid input with a sentence about the cause and the remedy."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.support.cluster import Object, Space
from tests.e2e.support.microservices import IMAGES, database, microservice, users

STORAGE = {"size": "1Gi"}

NEW = [
    ("neither port", microservice("a", image="a"), "a service needs spec.grpc or spec.http"),
    ("no image", microservice("a", grpc={}), "spec.image: Required value"),
    ("image with a space", users(image="a b"), "spec.image in body should match"),
    ("one port twice", users(grpc={"port": 8080}, http={"port": 8080}), "give each a port of its own"),
    ("privileged port", users(grpc={"port": 80}), "spec.grpc.port in body should be greater than or equal to 1024"),
    ("port out of range", users(http={"port": 70000}), "spec.http.port in body should be less than or equal to 65535"),
    ("negative replicas", users(replicas=-1), "spec.replicas in body should be greater than or equal to 0"),
    ("too many replicas", users(replicas=101), "spec.replicas in body should be less than or equal to 100"),
    ("unknown engine", users(database={"engine": "oracle", "storage": STORAGE}), 'supported values: "postgresql"'),
    ("old version", users(database={"version": "9", "storage": STORAGE}), "spec.database.version in body should match"),
    ("no storage", users(database={}), "spec.database.storage: Required value"),
    ("size of nothing", users(database={"storage": {"size": "0"}}), "size 0 is not a quantity above zero"),
    ("size without sense", users(database={"storage": {"size": "big"}}), "size big is not a quantity above zero"),
    ("empty class", users(database={"storage": {"size": "1Gi", "className": ""}}), "should be at least 1 chars long"),
    ("no quantity", users(resources={"limits": {"memory": "plenty"}}), "spec.resources.limits.memory in body should"),
    ("no command", users(database={"storage": STORAGE, "migrations": {"command": []}}), "should have at least 1 items"),
    (
        "unknown policy",
        users(database=database("users", deletionPolicy="Keep")),
        'supported values: "Retain", "Delete"',
    ),
    ("itself", users("a", consumes=[{"name": "a"}]), "a service does not consume itself"),
    ("twice", users("a", consumes=[{"name": "b"}, {"name": "b"}]), "Duplicate value"),
    ("provider's name", users("a", consumes=[{"name": "B"}]), "spec.consumes[0].name in body should match"),
    ("unknown consent", users(grpc={"consumers": {"from": "Nobody"}}), "Unsupported value"),
    ("selector without", users(grpc={"consumers": {"from": "Selector"}}), "from: Selector needs a selector"),
    (
        "selector unread",
        users(grpc={"consumers": {"from": "All", "selector": {"matchLabels": {"a": "b"}}}}),
        "selector requires from: Selector, and from is All; change from, or remove selector",
    ),
    ("long name", users("a" * 41), "must be at most 40 lower-case letters"),
    ("name with a dot", users("a.b"), "it becomes a DNS name"),
    ("name of a database", users("users-database"), "contains '-database', which is reserved for databases"),
    ("unknown field", users(autoscaling={"max": 3}), 'unknown field "spec.autoscaling"'),
]

CHANGED: list[tuple[str, Object, str]] = [
    ("smaller", {"database": {"storage": {"size": "32Mi"}}}, "cannot shrink from 64Mi to 32Mi; a volume only grows"),
    ("another version", {"database": {"version": "16"}}, "cannot change from 15 to 16 in place"),
]


@pytest.mark.parametrize(("body", "sentence"), [case[1:] for case in NEW], ids=[case[0] for case in NEW])
def test_refusals_new_resource(shop: Space, body: Object, sentence: str) -> None:
    """The API server refuses an invalid new resource with a sentence about the cause."""
    placed = {**body, "metadata": {**body["metadata"], "namespace": shop.name}}

    assert sentence in shop.cluster.refused(placed)


@pytest.mark.parametrize(("spec", "sentence"), [case[1:] for case in CHANGED], ids=[case[0] for case in CHANGED])
def test_refusals_change(shop: Space, spec: dict[str, Any], sentence: str) -> None:
    """The API server refuses an invalid change of a running service with a sentence about the cause."""
    change = json.dumps({"spec": spec})
    patch = ("patch", "microservice/users", "--type=merge", "--dry-run=server", "-p", change)
    done = shop.cluster.tried("-n", shop.name, *patch)

    assert done.returncode != 0
    assert sentence in done.stderr


def test_refusals_valid_resource(shop: Space) -> None:
    """A valid resource is accepted: the refusals are not the answer to everything."""
    body = users("another", image=IMAGES["users"], grpc={"consumers": {"from": "All"}})
    shop.kubectl("apply", "--dry-run=server", "-f", "-", text=json.dumps(body))
