"""The model of docs/explanation/capacity.md: known cases, a simulation, what was measured, and the page."""

from __future__ import annotations

import doctest
import math
import random
from heapq import heapreplace

import pytest

from benchmarks import capacity
from benchmarks.capacity import SIZES, ImageCost, QueueModel, need, newest, tables
from benchmarks.throughput import rate
from tests.conftest import ROOT

FIGURES = newest()


def test_examples() -> None:
    assert doctest.testmod(capacity).failed == 0


def test_one_server_waits_as_the_textbooks_say() -> None:
    exponential = QueueModel(0.8, 1.0, 1, service_variation=1.0)
    assert exponential.waiting_probability == pytest.approx(0.8)
    assert exponential.mean_wait_s == pytest.approx(4.0)
    assert QueueModel(0.8, 1.0, 1).mean_wait_s == pytest.approx(2.0), "M/D/1 waits half as long"


def test_with_more_work_than_servers_the_wait_has_no_end() -> None:
    assert QueueModel(2.1, 1.0, 2).mean_wait_s == math.inf


@pytest.mark.parametrize(("arrivals_per_s", "servers"), [(1.4, 2), (1.8, 2), (6.0, 8)])
def test_the_approximation_is_close_to_a_simulation(arrivals_per_s: float, servers: int) -> None:
    clock = random.Random(1)
    free_at, now, waits = [0.0] * servers, 0.0, []
    for _ in range(100_000):
        now += clock.expovariate(arrivals_per_s)
        begin = max(now, free_at[0])
        waits.append(begin - now)
        heapreplace(free_at, begin + clock.choice((0.8, 1.2)))
    queue = QueueModel(arrivals_per_s, 1.0, servers, service_variation=0.04)
    assert queue.mean_wait_s == pytest.approx(sum(waits) / len(waits), rel=0.15)
    assert queue.response_s([0.0], 0.95) == pytest.approx(sorted(waits)[95_000], rel=0.25)


def test_the_model_is_close_to_what_was_measured() -> None:
    """Above half of the capacity virtual cores get in each other's way, which the page says."""
    for row in FIGURES["rates"]:
        for quantile in ("mean_s", "p95_s"):
            is_close = pytest.approx(row["response"][quantile], rel=0.1 if row["utilisation"] < 0.5 else 0.42)
            assert row["model"][quantile] == is_close, row


def test_twice_the_images_never_need_less() -> None:
    cost = ImageCost(**FIGURES["image_cost"])
    sites = [need(images, cost) for _, images in SIZES]
    assert [site.judging_cores for site in sites] == sorted(site.judging_cores for site in sites)
    for site in sites:
        assert site.wait_p95_s <= capacity.MAX_WAIT_P95_S


def test_the_page_has_the_tables() -> None:
    page = (ROOT / "docs/explanation/capacity.md").read_text("utf-8")
    for table in tables(FIGURES):
        assert table in page, f"docs/explanation/capacity.md lacks\n{table}"


def test_images_that_were_all_decided_at_once_have_no_rate() -> None:
    assert rate([1.0, 1.5, 2.0]) == 2.0
    with pytest.raises(SystemExit, match="take more"):
        rate([1.0, 1.0])
