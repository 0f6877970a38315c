"""Computes how long images wait at a load, and what a site of a given size needs.

    python -m benchmarks.capacity

A node is a queue with as many servers as it has cores. Erlang's C formula is the probability that all are busy, and the
approximation of Allen and Cunneen allows for arrivals and services that are not exponential (A. O. Allen,
*Probability, Statistics, and Queueing Theory*, 2nd ed., 1990; W. Whitt, *Approximations for the GI/G/m queue*,
Production and Operations Management 2, 1993; for one server it is Kingman's formula). The costs of an image are those
that ``benchmarks.load`` measured, and the tables are those of docs/explanation/capacity.md.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.machine import RESULTS

PEAK_SHARE = 0.12
"""Share of a day's images that comes in its busiest hour; in ten equal hours it would be .10."""
FLAGGED_SHARE = 0.15
TRANSACTIONS, SYNCS = 10, 12
"""Of one flagged image with three results: transactions that change something, syncs of files on SQLite
(tests/node/test_costs.py)."""
MAX_UTILISATION = 0.7
MAX_WAIT_P95_S = 1.0
IMAGES_PER_STUDY = 2
SIZES = (
    ("clinic, 50 studies", 50 * IMAGES_PER_STUDY),
    ("hospital, 1,000 studies", 1_000 * IMAGES_PER_STUDY),
    ("large hospital, 10,000 studies", 10_000 * IMAGES_PER_STUDY),
    ("region, 10 million images", 10_000_000),
)
"""Name of a site and its images a day."""


@dataclass(frozen=True, slots=True)
class QueueModel:
    """Images that come at random, and cores that each take ``service_s`` for one of them.

    The variations are squared coefficients of variation: 1 for arrivals at random, 0 for regular ones.
    """

    arrivals_per_s: float
    service_s: float
    servers: int
    arrival_variation: float = 1.0
    service_variation: float = 0.0

    @property
    def utilisation(self) -> float:
        """Share of time for which a server is busy; from 1 on the queue grows without limit."""
        return self.arrivals_per_s * self.service_s / self.servers

    @property
    def waiting_probability(self) -> float:
        """Erlang's C formula: the probability that an image finds all servers busy.

        >>> round(QueueModel(1.0, 1.5, 2).waiting_probability, 4)
        0.6429
        """
        if self.utilisation >= 1.0:
            return 1.0
        offered, blocking = self.arrivals_per_s * self.service_s, 1.0
        for servers in range(1, self.servers + 1):  # Erlang B
            blocking = offered * blocking / (servers + offered * blocking)
        return blocking / (1.0 - self.utilisation * (1.0 - blocking))

    @property
    def mean_wait_s(self) -> float:
        """Allen and Cunneen: the mean wait of exponential arrivals and services, times the mean of the variations."""
        if self.utilisation >= 1.0:
            return math.inf
        exponential_s = self.waiting_probability * self.service_s / (self.servers * (1.0 - self.utilisation))
        return exponential_s * (self.arrival_variation + self.service_variation) / 2.0

    def longer_share(self, wait_s: float) -> float:
        """Share of images that wait longer; the tail is exponential, as it is for exponential services."""
        if wait_s < 0.0:
            return 1.0
        probability = self.waiting_probability
        return probability * math.exp(-probability * wait_s / self.mean_wait_s) if self.mean_wait_s else 0.0

    def response_s(self, alone_s: Sequence[float], share: float) -> float:
        """The response time that ``share`` of images do not exceed, if they take ``alone_s`` without a queue."""
        low, high = 0.0, max(alone_s) + 50.0 * self.mean_wait_s
        for _ in range(60):
            middle = (low + high) / 2.0
            later = sum(self.longer_share(middle - one) for one in alone_s) / len(alone_s)
            low, high = (middle, high) if later > 1.0 - share else (low, middle)
        return high


@dataclass(frozen=True, slots=True)
class ImageCost:
    """Processor time of one image by role of the process, and the bytes that it leaves."""

    receive_ms: float
    own_ms: float
    """Of a process with the role ``work`` itself, which one core at most serves: jobs, verdicts, deliveries."""
    judge_ms: float
    """Of its workers."""
    source_bytes: int
    database_bytes: int
    accepted_bytes: int
    """Results, map and preview of an accepted image."""
    flagged_bytes: int

    @property
    def artifact_bytes(self) -> float:
        """Results, map and preview of a mean image."""
        return FLAGGED_SHARE * self.flagged_bytes + (1.0 - FLAGGED_SHARE) * self.accepted_bytes


@dataclass(frozen=True, slots=True)
class SiteNeed:
    """What a site needs in its busiest hour, and what it stores in a day."""

    peak_per_s: float
    judging_cores: int
    wait_p95_s: float
    working_processes: int
    receiving_processes: int
    transactions_per_s: float
    syncs_per_s: float
    network_bytes_per_s: float
    originals_a_day: float
    artifacts_a_day: float
    database_a_day: float


def need(images_a_day: int, cost: ImageCost) -> SiteNeed:
    """The fewest cores and processes within the limits above."""
    peak, judge_s = images_a_day * PEAK_SHARE / 3600.0, cost.judge_ms / 1e3
    queue = QueueModel(peak, judge_s, 1)
    while queue.utilisation > MAX_UTILISATION or queue.response_s([0.0], 0.95) > MAX_WAIT_P95_S:
        queue = replace(queue, servers=queue.servers + 1)
    return SiteNeed(
        peak,
        queue.servers,
        queue.response_s([0.0], 0.95),
        _processes(peak, cost.own_ms),
        _processes(peak, cost.receive_ms),
        peak * TRANSACTIONS,
        peak * SYNCS,
        peak * (cost.source_bytes + cost.artifact_bytes),
        images_a_day * cost.source_bytes,
        images_a_day * cost.artifact_bytes,
        images_a_day * cost.database_bytes,
    )


def _processes(peak_per_s: float, milliseconds: float) -> int:
    return math.ceil(peak_per_s * milliseconds / 1e3 / MAX_UTILISATION)


def tables(figures: Mapping[str, Any]) -> tuple[str, str, str]:
    """Markdown: the cost of an image, the model beside what was measured, and what sites need."""
    cost = ImageCost(**figures["image_cost"])
    return _costs(cost), _comparison(figures), _needs(cost)


def _costs(cost: ImageCost) -> str:
    rows = [
        ("processor time: receiving", f"{cost.receive_ms:.0f} ms"),
        ("processor time: the node's own process (jobs, verdict, delivery)", f"{cost.own_ms:.0f} ms"),
        ("processor time: worker (judging, making results)", f"{cost.judge_ms:.0f} ms"),
        ("transactions; syncs, at most", f"{TRANSACTIONS}; {SYNCS}"),
        ("original", _size(cost.source_bytes)),
        ("results, map and preview: accepted; flagged", f"{_size(cost.accepted_bytes)}; {_size(cost.flagged_bytes)}"),
        ("database", _size(cost.database_bytes)),
    ]
    return _table(["of one image", ""], rows)


def _comparison(figures: Mapping[str, Any]) -> str:
    head = ["images a second", "cores busy", "mean: model", "measured", "p95: model", "measured"]
    rows = [
        (
            f"{row['arrivals_per_s']:.1f}",
            f"{row['utilisation']:.0%}".replace("%", " %"),
            *_pair(row, "mean_s"),
            *_pair(row, "p95_s"),
        )
        for row in figures["rates"]
    ]
    return _table(head, rows)


def _pair(row: Mapping[str, Any], name: str) -> tuple[str, str]:
    return f"{row['model'][name]:.2f} s", f"{row['response'][name]:.2f} s"


def _needs(cost: ImageCost) -> str:
    needs = [need(images, cost) for _, images in SIZES]
    lines: list[tuple[str, Callable[[SiteNeed], str]]] = [
        ("images a second in the busiest hour", lambda site: _number(site.peak_per_s)),
        ("cores that judge", lambda site: str(site.judging_cores)),
        ("wait for a core, p95", lambda site: f"{site.wait_p95_s:.2f} s"),
        ("processes with the role `work`", lambda site: str(site.working_processes)),
        ("processes with the role `receive`", lambda site: str(site.receiving_processes)),
        ("transactions a second", lambda site: _number(site.transactions_per_s)),
        ("syncs a second", lambda site: _number(site.syncs_per_s)),
        ("network, in and out, a second", lambda site: _size(site.network_bytes_per_s)),
        ("originals a day", lambda site: _size(site.originals_a_day)),
        ("results, maps and previews a day", lambda site: _size(site.artifacts_a_day)),
        ("database a day", lambda site: _size(site.database_a_day)),
    ]
    return _table(["", *(name for name, _ in SIZES)], [(name, *map(cell, needs)) for name, cell in lines])


def _number(value: float) -> str:
    """Two significant digits.

    >>> _number(0.00333), _number(333.3), _number(83)
    ('0.0033', '330', '83')
    """
    digits = 1 - math.floor(math.log10(value)) if value else 0
    return f"{round(value, digits):,.{max(0, digits)}f}"


def _size(count: float) -> str:
    """Bytes in words, with two significant digits.

    >>> _size(8_390_350), _size(22_400)
    ('8.4 MB', '22 kB')
    """
    for factor, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= factor:
            return f"{_number(count / factor)} {unit}"
    return f"{_number(count)} bytes"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, *rows]
    top, *rest = ("| " + " | ".join(line) + " |\n" for line in lines)
    return "".join([top, "|" + "---|" * len(head) + "\n", *rest])


def main() -> None:
    """Print the tables of the newest measurement."""
    for table in tables(newest()):
        print(table)


def newest() -> dict[str, Any]:
    """The newest kept figures of ``benchmarks.load``."""
    figures: dict[str, Any] = json.loads(max(RESULTS.glob("load-*.json")).read_text("utf-8"))
    return figures


if __name__ == "__main__":
    main()
