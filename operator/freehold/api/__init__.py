"""The Microservice API: models, CustomResourceDefinition and naming rules."""

from __future__ import annotations
