from __future__ import annotations

from miqa_node.stages.deliver.breaker import Breaker, BreakerState, Permit


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_opens_after_failures_in_a_row_only() -> None:
    breaker = Breaker(3, 30.0, Clock())
    assert not breaker.failed()
    assert not breaker.failed()
    assert not breaker.succeeded()
    assert not breaker.failed()
    assert not breaker.failed()
    assert breaker.ask() is Permit.EVERYTHING
    assert breaker.failed()
    assert breaker.state is BreakerState.OPEN
    assert breaker.ask() is Permit.NOTHING


def test_one_probe_after_the_pause_decides() -> None:
    clock = Clock()
    breaker = Breaker(1, 30.0, clock)
    breaker.failed()
    clock.now = 29.9
    assert breaker.ask() is Permit.NOTHING
    clock.now = 30.0
    assert breaker.ask() is Permit.PROBE
    assert breaker.ask() is Permit.NOTHING
    assert not breaker.failed()
    clock.now = 59.9
    assert breaker.ask() is Permit.NOTHING
    clock.now = 60.0
    assert breaker.ask() is Permit.PROBE
    assert breaker.succeeded()
    assert breaker.ask() is Permit.EVERYTHING


def test_an_unused_probe_goes_back() -> None:
    clock = Clock()
    breaker = Breaker(1, 30.0, clock)
    breaker.failed()
    clock.now = 31.0
    assert breaker.ask() is Permit.PROBE
    breaker.give_back()
    assert breaker.ask() is Permit.PROBE
