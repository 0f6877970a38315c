"""``python -m tests.crash``: kills, or nothing but load for a long time; counts go to benchmarks/results/."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from importlib.resources import files
from pathlib import Path
from typing import Any

import psutil

from benchmarks.machine import describe, keep
from tests.conftest import PostgresServer
from tests.crash.kills import kill_at_random
from tests.crash.station import SOUND, Station
from tests.unit.deliver.receiver import receiver

GROWTH = 0.05
"""By how much memory may grow from the middle of a soak to its end."""
SAMPLE_S = 10.0


def main() -> int:
    """``make crash`` kills processes; ``make soak`` only sends, and watches memory, threads and files."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=main.__doc__)
    parser.add_argument("--kills", type=int, default=250, help="on each database")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], action="append", help="default is both")
    parser.add_argument("--soak-minutes", type=float, default=0.0, help="soak instead of killing")
    given = parser.parse_args()
    results: dict[str, Any] = {}

    def campaign(station: Station) -> dict[str, Any]:
        if given.soak_minutes:
            return soak(station, given.soak_minutes * 60.0)
        return kill_at_random(station, given.kills, given.seed, measure=True)

    for database in given.database or ["sqlite", "postgresql"]:
        results[database] = run(database, campaign)
    keep("soak" if given.soak_minutes else "crash", describe(), {"seed": given.seed, **results})
    return 0 if all(_is_sound(result) for result in results.values()) else 1


def run(database: str, campaign: Callable[[Station], dict[str, Any]]) -> dict[str, Any]:
    """One campaign against a node of its own."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="miqa-crash-")))
        told = stack.enter_context(receiver())
        environment = {}
        if database == "postgresql":
            environment["MIQA_STORE__DATABASE_URL"] = stack.enter_context(PostgresServer()).url
        template = Path(str(files("data_store"))) / "data" / "RG3_UNCR.dcm"
        station = Station(folder, template, told, environment)
        stack.callback(station.close)
        return campaign(station) | station.finish()


def soak(station: Station, seconds: float) -> dict[str, Any]:
    """Send for a long time; memory, threads and open files of the node in the middle and at the end."""
    station.next_report_s()
    samples: list[dict[str, float]] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(min(SAMPLE_S, seconds / 10.0))
        process = psutil.Process(station.node.process.pid)
        resident = process.memory_info().rss + sum(child.memory_info().rss for child in station.node.children())
        samples.append({
            "memory_mib": resident / 2**20, "threads": process.num_threads(), "files": process.num_fds(),
        })  # fmt: skip
    half = samples[len(samples) // 2 :]
    first, last = half[: max(1, len(half) // 4)], half[-max(1, len(half) // 4) :]
    middle = {name: _mean(first, name) for name in samples[0]}
    latest = {name: _mean(last, name) for name in samples[0]}
    return {"seconds": round(seconds), "middle": middle, "end": latest}


def _mean(samples: list[dict[str, float]], name: str) -> float:
    return round(sum(sample[name] for sample in samples) / len(samples), 1)


def _is_sound(result: dict[str, Any]) -> bool:
    grown = result["end"]["memory_mib"] / result["middle"]["memory_mib"] - 1.0 if "end" in result else 0.0
    return {name: result[name] for name in SOUND} == SOUND and grown <= GROWTH


if __name__ == "__main__":
    sys.exit(main())
