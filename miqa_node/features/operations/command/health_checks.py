"""The results of the checks of ``miqa-node doctor``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from miqa_node.errors import MiqaError


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """The result of one check; ``mend`` is the remedy if it failed."""

    check: str
    ok: bool
    detail: str
    mend: str = ""


class FailedCheck(Exception):  # noqa: N818 - it is a finding, not a fault of the program
    """A fault and its remedy."""

    def __init__(self, detail: str, mend: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.mend = mend


def outcome_of(name: str, check: Callable[[], str]) -> HealthCheck:
    """Run a check, which returns what it found or raises FailedCheck."""
    try:
        return HealthCheck(name, True, check())
    except FailedCheck as failure:
        return HealthCheck(name, False, failure.detail, failure.mend)
    except MiqaError as error:
        return HealthCheck(name, False, str(error), "See docs/reference/configuration.md.")
