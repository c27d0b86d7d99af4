"""Microservices as teams write them, small enough for a test."""

from __future__ import annotations

from typing import Any

from tests.e2e.support.cluster import Object

IMAGES = {name: f"localhost/freehold/{name}:dev" for name in ("users", "payments", "invoices", "storefront")}
SIZE = "64Mi"


def microservice(name: str, **spec: Any) -> Object:
    return {
        "apiVersion": "freehold.dev/v1alpha1",
        "kind": "Microservice",
        "metadata": {"name": name},
        "spec": spec,
    }


def database(migrate: str, **more: Any) -> Object:
    return {"storage": {"size": SIZE}, "migrations": {"command": [migrate, "migrate"]}, **more}


def users(name: str = "users", **more: Any) -> Object:
    """A service with a database and without providers."""
    return microservice(name, **{"image": IMAGES["users"], "grpc": {}, "database": database("users"), **more})


def payments(name: str = "payments", **more: Any) -> Object:
    """A service with a database that consumes users."""
    own = {"image": IMAGES["payments"], "grpc": {}, "database": database("payments"), "consumes": [{"name": "users"}]}
    return microservice(name, **{**own, **more})


def invoices(name: str = "invoices", **more: Any) -> Object:
    """A service with a database that consumes users and payments."""
    consumed = [{"name": provider} for provider in ("users", "payments")]
    own = {"image": IMAGES["invoices"], "grpc": {}, "database": database("invoices"), "consumes": consumed}
    return microservice(name, **{**own, **more})


def front_end(name: str = "storefront", *, of: str | None = None, **more: Any) -> Object:
    """A service without a database that consumes users and payments. of: the providers' namespace, if another."""
    where = {"namespace": of} if of else {}
    consumed = [{"name": provider, **where} for provider in ("users", "payments")]
    own = {"image": IMAGES["storefront"], "http": {}, "consumes": consumed}
    return microservice(name, **{**own, **more})


def idle(name: str, **more: Any) -> Object:
    """A provider without pods."""
    return microservice(name, **{"image": IMAGES["users"], "grpc": {}, "replicas": 0, **more})
