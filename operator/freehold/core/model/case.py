"""The case of a service: the inputs of all capabilities, and facts that are computed once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypeVar

from freehold.api.v1alpha1.microservice import MicroserviceSpec
from freehold.core.model.resources import Key, Observed, Service

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Case:
    """A declared service with the observations of a reconcile.

    Facts for several capabilities, such as the primary or the counterpart, are functions marked with `fact`. The case
    keeps the answers by function, so each package can add facts.
    """

    service: Service
    observed: Observed
    _answers: dict[Callable[[Case], Any], Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def key(self) -> Key:
        return self.service.key

    @property
    def name(self) -> str:
        return self.service.name

    @property
    def namespace(self) -> str:
        return self.service.namespace

    @property
    def spec(self) -> MicroserviceSpec:
        return self.service.spec

    def ask(self, question: Callable[[Case], Answer]) -> Answer:
        """Return the answer to `question`, computed at most once for this case."""
        if question not in self._answers:
            self._answers[question] = question(self)
        answer: Answer = self._answers[question]
        return answer


def fact(question: Callable[[Case], Answer]) -> Callable[[Case], Answer]:
    """Mark a pure function of a case as a fact: all callers of a reconcile get the same answer.

    The function must return immutable data, and no generator.
    """

    @wraps(question)
    def answer(case: Case) -> Answer:
        return case.ask(question)

    return answer
