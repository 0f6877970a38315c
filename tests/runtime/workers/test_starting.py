"""A process that was never ready is starting, for a minute."""

from __future__ import annotations

import pytest

from miqa_node.errors import ResourcesError
from miqa_node.runtime.workers import readiness
from miqa_node.runtime.workers.readiness import ReadinessChecks
from tests.waiting import wait_until


def test_starting_ends_when_it_is_ready_and_does_not_come_back() -> None:
    faults = ["The models are being loaded."]

    def check() -> None:
        if faults:
            raise ResourcesError(faults[0])

    checks = ReadinessChecks({"The models": check})
    assert checks.reasons()
    assert checks.is_starting()
    faults.clear()
    wait_until(lambda: not checks.reasons())
    faults.append("The models are gone.")
    wait_until(checks.reasons)
    assert not checks.is_starting()


def test_starting_ends_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "STARTS_S", 0.0)
    assert not ReadinessChecks({}).is_starting()
