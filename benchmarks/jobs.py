"""Measures how many durable jobs one process runs in a second if there is nothing to do in them.

    python -m benchmarks.jobs [--jobs 400] [--rounds 5]

On SQLite and, where it is installed, on PostgreSQL: jobs of four senders wait, and then a worker of this process takes
them. Median over the rounds; processor time is that of this process, without PostgreSQL's.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.machine import describe, keep
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.settings import load_settings
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.work.migration import migrate
from miqa_node.runtime.work.queue import DurableQueue, Worker
from tests.conftest import POSTGRES_BIN, PostgresServer

SENDERS = 4
AT_ONCE = 50
LIMIT_S = 120.0


def main() -> None:
    """Measure both databases and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--jobs", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--url", help=argparse.SUPPRESS)  # one round in a process of its own: a process has one worker
    options = parser.parse_args()
    if options.url:
        print(json.dumps(run(options.url, options.jobs)))
        return
    machine = describe()
    keep("jobs", machine, {"jobs": options.jobs, **measure(options.jobs, options.rounds)})


def measure(jobs: int, rounds: int) -> dict[str, Any]:
    """Figures of each database."""
    with tempfile.TemporaryDirectory(prefix="miqa-jobs-") as folder:
        figures = {"sqlite": _rounds([f"sqlite:///{Path(folder) / f'{n}.sqlite'}" for n in range(rounds)], jobs)}
    if (POSTGRES_BIN / "postgres").exists():
        with PostgresServer() as server:
            figures["postgresql"] = _rounds([server.url] * rounds, jobs)
    return figures


def _rounds(urls: list[str], jobs: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.jobs", "--jobs", str(jobs), "--url"]
    rounds = [
        json.loads(subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout.splitlines()[-1])
        for url in urls
    ]
    return {name: round(statistics.median(one[name] for one in rounds), 1) for name in rounds[0]}


def run(url: str, jobs: int) -> dict[str, float]:
    """Jobs a second from the end of the first to that of the last, and processor time of each, ms."""
    ends: list[float] = []
    over = threading.Event()

    def stage(_digest: InstanceDigest) -> None:
        ends.append(time.monotonic())
        if len(ends) == jobs:
            over.set()

    with tempfile.TemporaryDirectory(prefix="miqa-jobs-") as folder, closing(Database(url)) as database:
        migrate(database)
        _enqueue(DurableQueue(database, lambda: str(time.time_ns())), database, jobs)
        worker, before = Worker(database, "benchmark", load_settings().work, Path(folder)), time.process_time()
        worker.start(stage)
        if not over.wait(LIMIT_S):
            raise TimeoutError(f"{len(ends)} of {jobs} jobs within {LIMIT_S:g} s")
        processor_s = time.process_time() - before
        worker.stop()
    return {"jobs_per_s": (jobs - 1) / (ends[-1] - ends[0]), "processor_ms_per_job": 1e3 * processor_s / jobs}


def _enqueue(queue: DurableQueue, database: Database, jobs: int) -> None:
    for first in range(0, jobs, AT_ONCE):
        with database.begin() as transaction:
            for number in range(first, min(first + AT_ONCE, jobs)):
                queue.enqueue_assess(transaction, InstanceDigest(f"{number:064x}"), f"ROOM{number % SENDERS}")


if __name__ == "__main__":
    main()
