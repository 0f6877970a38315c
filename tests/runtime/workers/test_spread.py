"""Many items, several at a time in workers: the results come in order, and what ends a worker costs one item."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from miqa_node.errors import DecodeLimitError, ResourcesError
from miqa_node.runtime.workers import spread
from miqa_node.runtime.workers.spread import Spread

DEADLY = 5


class Workers:
    """Runs here, and dies of one item."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.threads: set[int] = set()

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        items = arguments[1]
        self.sizes.append(len(items))
        self.threads.add(threading.get_ident())
        if DEADLY in items:
            raise DecodeLimitError("The worker process died.")
        return function(*arguments)


def times(item: int, factor: int) -> int:
    return item * factor


def test_what_ends_a_worker_costs_one_item() -> None:
    workers = Workers()
    results = Spread(workers.run, 2).each(times, range(40), 10)
    assert isinstance(results[DEADLY], DecodeLimitError)
    assert [one for one in results if not isinstance(one, DecodeLimitError)] == [
        10 * item for item in range(40) if item != DEADLY
    ]
    assert sorted(workers.sizes) == [1] * 5 + [5] * 8, "only the items of that task were alone"


def test_a_task_gives_back_what_it_has_no_time_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread, "TASK_S", -1.0)
    workers = Workers()
    assert Spread(workers.run, 1).each(times, range(5), 2) == [0, 2, 4, 6, 8]
    assert workers.sizes == [2, 2, 1, 1, 1]


def test_it_works_with_nothing_and_without_workers() -> None:
    assert Spread(Workers().run, 2).each(times, [], 1) == []
    assert Spread().each(times, range(3), 3) == [0, 3, 6]


def test_an_error_of_the_node_ends_all() -> None:
    def stop(function: Callable[..., Any], *arguments: Any) -> Any:
        raise ResourcesError("The node stops.")

    with pytest.raises(ResourcesError):
        Spread(stop, 2).each(times, range(40), 1)
