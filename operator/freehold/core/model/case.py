"""The case of one service: everything a capability may look at, and each fact derived from it once."""

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
    """A service as declared, with all that was observed for one reconcile.

    Facts that several capabilities need (which instance is primary, who is the counterpart, ...) are functions marked
    with `fact`. The case keeps the answers and knows no question by name, so that a package can add facts of its own.
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
    """Mark a pure function of a case as a fact: every caller of one reconcile gets the same answer.

    The function must return data that nobody changes, and no generator.
    """

    @wraps(question)
    def answer(case: Case) -> Answer:
        return case.ask(question)

    return answer
