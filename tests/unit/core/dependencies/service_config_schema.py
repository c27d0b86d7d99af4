"""The JSON Schema of gRPC service configs."""

from __future__ import annotations

import grpc
from freehold.core.model.resources import Object

DURATION = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]{1,9})?s$"}
CODES = {"type": "array", "minItems": 1, "items": {"enum": [code.name for code in grpc.StatusCode]}}


def policy(**fields: Object) -> Object:
    """The schema of a policy in a method's config, with exactly these fields."""
    properties = {"maxAttempts": {"type": "integer", "minimum": 2, "maximum": 5}, **fields}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


NAME = {
    "type": "object",
    "properties": {"service": {"type": "string", "minLength": 1}, "method": {"type": "string", "minLength": 1}},
    "dependentRequired": {"method": ["service"]},
    "additionalProperties": False,
}
RETRY = policy(
    initialBackoff=DURATION,
    maxBackoff=DURATION,
    backoffMultiplier={"type": "number", "exclusiveMinimum": 0},
    retryableStatusCodes=CODES,
)
METHOD = {
    "type": "object",
    "properties": {
        "name": {"type": "array", "minItems": 1, "items": NAME},
        "timeout": DURATION,
        "retryPolicy": RETRY,
        "hedgingPolicy": policy(hedgingDelay=DURATION, nonFatalStatusCodes=CODES),
    },
    "required": ["name"],
    "not": {"required": ["retryPolicy", "hedgingPolicy"]},
    "additionalProperties": False,
}
SCHEMA = {
    "type": "object",
    "properties": {
        "loadBalancingConfig": {"type": "array", "items": {"type": "object", "minProperties": 1, "maxProperties": 1}},
        "methodConfig": {"type": "array", "items": METHOD},
    },
    "additionalProperties": False,
}
"""The used part of grpc/grpc-proto grpc/service_config/service_config.proto in JSON; bounds from gRFC A6."""
