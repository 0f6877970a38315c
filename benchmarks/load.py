"""Measures how long images wait at several loads, beside the model of benchmarks.capacity, and what one image costs.

    python -m benchmarks.load [--rates 1 2 4 6] [--seconds 90]

A real node with everything on embedded defaults; sender and PACS run in this process, on the same cores. Images of
2048 × 2048, every second one flagged, come at random times (a Poisson process) at each rate. The model gets what was
measured in the same run: processor time of an image (all processes, sender and PACS included), how much arrivals vary,
and the response times of images that came one at a time. It waits until the machine does nothing else, and measures a
rate again if other work came in between.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import psutil

from benchmarks.capacity import QueueModel
from benchmarks.latency import WARM_UP, one_after_the_other, send, wait_for_report
from benchmarks.machine import TreeCost, describe, keep, quantiles
from benchmarks.radiographs import SIDE, radiographs
from miqa_node.core.settings import load_settings
from miqa_node.stages.deliver.kinds.base import DeliveryContext
from miqa_node.stages.deliver.kinds.cstore import CStoreConfig, CStoreDestination
from miqa_selftest.launch import HOST, NodeProcess, free_port, free_ports
from miqa_selftest.pacs import AE_TITLE, ReceivingPacs
from miqa_selftest.radiographs import SampleImage

T = TypeVar("T")

ALONE = 40
SETTLE_S = 3.0
MOST_OTHER_WORK = 0.2
"""Cores that other work may take meanwhile, but for that of lower priority (nice)."""
QUIET_S, QUIET_LIMIT_S = 3.0, 300.0


@dataclass(frozen=True, slots=True)
class Site:
    """A node, the modality that sends to it, and the PACS that gets its results."""

    node: NodeProcess
    modality: CStoreDestination
    pacs: ReceivingPacs
    folder: Path

    def processor_s(self) -> tuple[float, float]:
        """Processor time of the node's own process, and of its workers."""
        own = psutil.Process(self.node.pid).cpu_times()
        own_s = own.user + own.system
        return own_s, TreeCost.of(self.node.pid).processor_s - own_s

    def database_bytes(self) -> float:
        """Size of the database's pages in use, for each image."""
        with closing(sqlite3.connect(self.folder / "miqa.sqlite")) as connection:
            size, pages, free = (
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_size", "page_count", "freelist_count")
            )
            [images] = connection.execute("SELECT count(*) FROM instances").fetchone()
        return float(size * (pages - free) / images)

    def artifact_bytes(self) -> int:
        """Size of results, maps and previews."""
        objects = self.folder / "objects"
        return sum(
            file.stat().st_size for file in objects.rglob("*") if file.is_file() and "instances" not in file.parts
        )


def main() -> None:
    """Measure all rates and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--rates", type=float, nargs="+", default=[1.0, 2.0, 4.0, 6.0], help="images a second")
    parser.add_argument("--seconds", type=float, default=90.0, help="per rate")
    options = parser.parse_args()
    machine = describe()
    with tempfile.TemporaryDirectory(prefix="miqa-load-") as folder:
        result = measure(Path(folder), options.rates, options.seconds)
    keep("load", machine, result)


def measure(folder: Path, rates: list[float], seconds: float) -> dict[str, Any]:
    """Response times alone and at each rate, with those of the model, and the cost of an image."""
    with running(folder / "receiver", "receive") as site:
        receive_ms, _ = undisturbed(site, partial(receiving_ms, site))
    with running(folder / "node", "all") as site:
        one_after_the_other(site.modality, site.pacs, new_images(WARM_UP))
        accepted, flagged = (artifacts_of(site, sample) for sample in new_images(2))
        (alone_s, own_ms, judge_ms), _ = undisturbed(site, partial(alone, site))
        rows = []
        for rate in rates:
            row, cores = undisturbed(site, partial(at_rate, site, rate, seconds, alone_s))
            rows.append({**row, "other_work_cores": round(cores, 2)})
        database_bytes = site.database_bytes()
    return {
        "image": {"rows": SIDE, "columns": SIDE, "flagged": "every second"},
        "image_cost": {
            "receive_ms": round(receive_ms, 1),
            "own_ms": round(own_ms - receive_ms, 1),
            "judge_ms": round(judge_ms, 1),
            "source_bytes": len(new_images(1)[0].data),
            "database_bytes": round(database_bytes),
            "accepted_bytes": accepted,
            "flagged_bytes": flagged,
        },
        "alone": quantiles(alone_s),
        "rates": rows,
    }


def undisturbed(site: Site, work: Callable[[], T]) -> tuple[T, float]:
    """The result of ``work`` while nothing else did much, and how much; after ``QUIET_LIMIT_S`` whatever it is."""
    until = time.monotonic() + QUIET_LIMIT_S
    while True:
        while other_cores(site, partial(time.sleep, QUIET_S))[1] > MOST_OTHER_WORK and time.monotonic() < until:
            pass
        result, cores = other_cores(site, work)
        print(f"{cores:.2f} cores did other work", flush=True)
        if cores <= MOST_OTHER_WORK or time.monotonic() > until:
            return result, cores


def other_cores(site: Site, work: Callable[[], T]) -> tuple[T, float]:
    """The result, and how many cores did something else meanwhile."""
    begin, before = time.monotonic(), _busy_s() - sum(site.processor_s()) - time.process_time()
    result = work()
    other_s = _busy_s() - sum(site.processor_s()) - time.process_time() - before
    return result, other_s / (time.monotonic() - begin)


def alone(site: Site) -> tuple[list[float], float, float]:
    """Response times of images one at a time; processor time of the node's own process and of workers, ms an image."""
    before_s = site.processor_s()
    alone_s = one_after_the_other(site.modality, site.pacs, new_images(ALONE))
    time.sleep(SETTLE_S)
    own_ms, judge_ms = (1e3 * (now - then) / ALONE for now, then in zip(site.processor_s(), before_s, strict=True))
    return alone_s, own_ms, judge_ms


@contextmanager
def running(folder: Path, role: str) -> Iterator[Site]:
    """A node of that role, ready, with modality and PACS."""
    dicom_port, web_port = free_ports((0, 0))
    target = CStoreConfig(name="node", ae_title="MIQA", host=HOST, port=dicom_port)
    context = DeliveryContext(load_settings().deliver, "BENCHMARK")
    with ReceivingPacs(folder / "pacs", free_port()) as pacs:
        destination = f"{AE_TITLE}={AE_TITLE}@{HOST}:{pacs.port}"
        with (
            NodeProcess(folder / "data", "MIQA", dicom_port, web_port, destination, role) as node,
            closing(CStoreDestination(target, context)) as modality,
        ):
            yield Site(node, modality, pacs, folder / "data")


def new_images(count: int) -> list[SampleImage]:
    """Images with UIDs that no others have."""
    return radiographs(count, str(time.time_ns()))


def receiving_ms(site: Site) -> float:
    """Processor time of one image in a node that only receives."""
    for sample in new_images(WARM_UP):
        send(site.modality, sample)
    samples = new_images(ALONE)
    time.sleep(SETTLE_S)
    before = sum(site.processor_s())
    for sample in samples:
        send(site.modality, sample)
    time.sleep(SETTLE_S)
    return 1e3 * (sum(site.processor_s()) - before) / len(samples)


def artifacts_of(site: Site, sample: SampleImage) -> int:
    """Bytes in the object store beside the image itself."""
    before = site.artifact_bytes()
    one_after_the_other(site.modality, site.pacs, [sample])
    time.sleep(SETTLE_S)
    return site.artifact_bytes() - before


def at_rate(site: Site, rate: float, seconds: float, alone_s: list[float]) -> dict[str, Any]:
    """Response times at a rate, beside those of the model."""
    samples = new_images(max(2, round(rate * seconds)))
    time.sleep(SETTLE_S)
    clock = random.Random(int(1000 * rate))
    sender_s, node_s, begin = time.process_time(), sum(site.processor_s()), time.monotonic()
    answers, due = [], begin
    for sample in samples:
        due += clock.expovariate(rate)
        time.sleep(max(0.0, due - time.monotonic()))
        answers.append(send(site.modality, sample))
    span = answers[-1] - begin
    responses_s = [wait_for_report(site.pacs, sample) - at for sample, at in zip(samples, answers, strict=True)]
    node_s = sum(site.processor_s()) - node_s
    total_s = node_s + time.process_time() - sender_s
    between = np.diff([begin, *answers])
    queue = QueueModel(
        len(samples) / span,
        total_s / len(samples),
        len(psutil.Process().cpu_affinity() or [0]),
        float(np.var(between) / np.mean(between) ** 2),
        float(np.var(alone_s) / np.mean(alone_s) ** 2),
    )
    return {
        "asked_per_s": rate,
        "arrivals_per_s": round(queue.arrivals_per_s, 3),
        "node_cpu_ms": round(1e3 * node_s / len(samples), 1),
        "service_ms": round(1e3 * queue.service_s, 1),
        "arrival_variation": round(queue.arrival_variation, 3),
        "utilisation": round(queue.utilisation, 3),
        "response": quantiles(responses_s),
        "model": {
            "mean_s": round(float(np.mean(alone_s)) + queue.mean_wait_s, 3),
            **{f"p{n}_s": round(queue.response_s(alone_s, n / 100), 3) for n in (50, 95)},
        },
    }


def _busy_s() -> float:
    """Processor time of everything on this machine that gives way to nobody."""
    times = psutil.cpu_times()
    return float(times.user + times.system + times.irq + times.softirq)


if __name__ == "__main__":
    main()
