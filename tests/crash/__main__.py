"""``python -m tests.crash``: kills, or nothing but load for a long time; counts go to benchmarks/results/."""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import psutil

from benchmarks.machine import describe, keep
from tests.conftest import PostgresServer
from tests.crash.kills import kill_at_random, kill_in_bursts
from tests.crash.station import SOUND, Station, chests, noise
from tests.stages.deliver.receiver import receiver
from tests.waiting import delay

GROWTH = 0.05
"""By how much what the node itself holds may grow from the middle of a soak to its end: memory, threads, files. The
sums with its children are kept, and say how many children there were rather than what leaks: a second one comes when
two images meet, and ends when it has been idle."""
CHILD_GROWTH = 0.1
"""By how much the largest child may be larger at the end than any was in the first half: children that do the same
differ by so much (270 to 300 MiB of their own in a soak whose children were replaced seven times)."""
RECOVERY_S = 30.0
"""The longest time from a kill until a fresh image is reported."""
SAMPLE_S = 10.0
SOAK_PAUSE_S = 1.5
"""Of the scanner between two images, so that an hour holds more than a small hospital sends in a day."""
SOAK_BACKLOG = 16
BURST_S, BURST_REQUESTS = 60.0, 60
"""At the start of a soak images come without a pause, and so many requests at once: threads and connections of pools,
which stay for good, are all there before the middle. Else each later coincidence of many looks like a leak."""
SOAK_DISK_MIB = 256
"""A soak's data directory is a file system of this size, which the originals of an hour would fill several times."""
SOAK_HELD_MIB = 0.8 * SOAK_DISK_MIB
"""More is never used for long: retention keeps 30 % of the disk free, and looks every five seconds."""
HELD = ("node_mib", "node_threads", "node_files")
SOAK_SETTINGS = {
    "MIQA_RETENTION__ENABLED": "true",
    "MIQA_RETENTION__MIN_FREE_PERCENT": "30",
    "MIQA_RETENTION__INTERVAL_S": "5",
    "MIQA_STORE__MIN_FREE_BYTES": "20000000",
}


ALL_IN_ONE, APART = ("all",), ("receive", "work", "web")
LAYOUTS: dict[str, tuple[str, tuple[str, ...], int]] = {
    "sqlite": ("sqlite", ALL_IN_ONE, 1),
    "postgresql": ("postgresql", ALL_IN_ONE, 1),
    "postgresql, roles apart": ("postgresql", APART, 1),
    "postgresql, three receivers": ("postgresql", ALL_IN_ONE, 3),
}
"""Database, roles, and processes that receive, each with an association of its own."""
KILLED, SOAKED = [*LAYOUTS][:3], ["sqlite", "postgresql", "postgresql, three receivers"]


def main() -> int:
    """``make crash`` kills processes; ``make soak`` only sends, and watches what the node holds."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=main.__doc__)
    parser.add_argument("--kills", type=int, default=60, help="in each layout")
    parser.add_argument("--chunk", type=int, default=30, help="kills of one node before a new one takes its place")
    parser.add_argument("--seed", type=int, default=datetime.now(UTC).toordinal(), help="default is the day")
    parser.add_argument("--layout", choices=LAYOUTS, action="append", help="default is all of them")
    parser.add_argument("--in-bursts", type=int, default=100, help="kills of a whole node, many of them in a row")
    parser.add_argument("--state", type=Path, help="a file of finished chunks: what it holds is not done again")
    parser.add_argument("--soak-minutes", type=float, default=0.0, help="soak instead of killing")
    options = parser.parse_args()
    if options.soak_minutes:
        layouts = options.layout or SOAKED
        with ThreadPoolExecutor(len(layouts)) as pool:  # at once: each waits most of its time
            soaks = [
                pool.submit(run, name, partial(soak, seconds=options.soak_minutes * 60.0), soaking=True)
                for name in layouts
            ]
        results = {name: one.result() for name, one in zip(layouts, soaks, strict=True)}
        keep("soak", describe(), results)
    else:
        results = {name: kill_in_chunks(name, options) for name in options.layout or KILLED}
        if options.in_bursts:
            in_bursts = partial(kill_in_bursts, kills=options.in_bursts, seed=options.seed)
            results["sqlite, in bursts"] = run("sqlite", in_bursts)
        keep("crash", describe(), {"seed": options.seed, **results})
    return 0 if all(_is_sound(result) for result in results.values()) else 1


def kill_in_chunks(layout: str, options: argparse.Namespace) -> dict[str, Any]:
    """The sum of all chunks, those of earlier runs included; a new node for each."""
    finished: dict[str, list[dict[str, Any]]] = {}
    if options.state and options.state.exists():
        finished = json.loads(options.state.read_text("utf-8"))
    chunks = finished.setdefault(layout, [])
    while (done := sum(sum(chunk["kills"].values()) for chunk in chunks)) < options.kills:
        kills, seed = min(options.chunk, options.kills - done), options.seed + len(chunks)
        chunks.append(run(layout, partial(kill_at_random, kills=kills, seed=seed, measure=True)))
        if options.state:
            options.state.write_text(json.dumps(finished, indent=1), "utf-8")
        print(layout, chunks[-1], flush=True)
    return _sum(chunks)


def _sum(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    recoveries = sorted(one for chunk in chunks for one in chunk["recoveries_s"])
    result: dict[str, Any] = {
        "nodes": len(chunks),
        "recovery_s": {"n": len(recoveries), "median": statistics.median(recoveries), "longest": recoveries[-1]},
    }
    for name in ("kills", "refused"):
        total = Counter[str]()
        for chunk in chunks:
            total.update(chunk[name])
        result[name] = dict(total)
    for name in ("of_an_idle_node", "answered", *SOUND, "sent_again"):
        result[name] = sum(chunk[name] for chunk in chunks)
    return result


def run(layout: str, campaign: Callable[[Station], dict[str, Any]], *, soaking: bool = False) -> dict[str, Any]:
    """One campaign against a node of its own. What it wrote stays if the campaign fails."""
    database, roles, receivers = LAYOUTS[layout]
    folder = Path(tempfile.mkdtemp(prefix="miqa-crash-"))
    print(layout, "in", folder, flush=True)
    with ExitStack() as stack:
        webhook = stack.enter_context(receiver())
        environment = {"MIQA_DICOM__RECEIVER_PROCESSES": str(receivers)}
        if database == "postgresql":
            environment["MIQA_STORE__DATABASE_URL"] = stack.enter_context(PostgresServer()).url
        samples = Path(str(files("data_store"))) / "data"
        if soaking:
            _mount(folder / "data", stack)
            environment |= SOAK_SETTINGS
        station = Station(folder, samples, webhook, environment, chests if soaking else noise, roles, receivers)
        stack.callback(station.close)
        result = campaign(station) | station.finish()
    if {name: result[name] for name in SOUND} == SOUND:
        shutil.rmtree(folder)
    return result


def _mount(folder: Path, stack: ExitStack) -> None:
    """A small file system for the data, which needs root; else the disk is only watched."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SOAK_DISK_MIB}m", "tmpfs", str(folder)]
    if shutil.which("mount") and not subprocess.run(mount, check=False, capture_output=True).returncode:
        stack.callback(subprocess.run, ["umount", "-l", str(folder)], check=True)


def soak(station: Station, seconds: float) -> dict[str, Any]:
    """Send for a long time; what the node holds in the middle and at the end: see :func:`_sample`."""
    station.limit_backlog(SOAK_BACKLOG)
    station.next_report_s()
    _burst(station, min(BURST_S, seconds / 10.0))
    station.scanner.pause_s = SOAK_PAUSE_S
    samples: list[dict[str, float]] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        delay(min(SAMPLE_S, seconds / 10.0))
        samples.append(_sample(station))
        print(json.dumps({name: round(value, 1) for name, value in samples[-1].items()}), flush=True)
    half = samples[len(samples) // 2 :]
    first, last = half[: max(1, len(half) // 4)], half[-max(1, len(half) // 4) :]
    middle = {name: _mean(first, name) for name in samples[0]}
    latest = {name: _mean(last, name) for name in samples[0]}
    middle["first_children_mib"] = max(one["largest_child_mib"] for one in samples[: len(samples) // 2])
    flagged = sum(event["data"]["image"]["verdict"] != "ACCEPT" for event in station.told.events)
    return {"seconds": round(seconds), "samples": len(samples), "flagged": flagged, "middle": middle, "end": latest}


def _burst(station: Station, seconds: float) -> None:
    """Use every thread and every connection that the node may have, once."""
    station.scanner.pause_s = 0.0
    until = time.monotonic() + seconds
    with ThreadPoolExecutor(BURST_REQUESTS) as clients:
        while time.monotonic() < until:
            list(clients.map(lambda _number: station.node.is_ready(), range(BURST_REQUESTS)))


def _sample(station: Station) -> dict[str, float]:
    """Memory of the node and its children, threads, files, waiting images, disk.

    ``memory_mib`` is of all with their part of what is shared; ``node_mib`` and ``largest_child_mib`` are what a
    process has for itself.
    """
    tree = [psutil.Process(station.node.process.pid), *station.node.children()]
    sums = dict.fromkeys((*HELD, "largest_child_mib", "memory_mib", "threads", "files"), 0.0)
    for process in tree:
        with suppress(psutil.NoSuchProcess):
            memory = process.memory_full_info()
            threads, files = process.num_threads(), process.num_fds()
            sums["memory_mib"] += memory.pss / 2**20
            sums["threads"] += threads
            sums["files"] += files
            if process == tree[0]:
                sums |= dict(zip(HELD, (memory.uss / 2**20, threads, files), strict=True))
            else:
                sums["largest_child_mib"] = max(sums["largest_child_mib"], memory.uss / 2**20)
    data = station.folder / "data"
    disk = shutil.disk_usage(data).used if data.is_mount() else _size(data)
    return {**sums, "processes": len(tree), "images_waiting": station.waiting(), "disk_mib": disk / 2**20}


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


def _mean(samples: list[dict[str, float]], name: str) -> float:
    return round(sum(sample[name] for sample in samples) / len(samples), 1)


def _is_sound(result: dict[str, Any]) -> bool:
    if {name: result[name] for name in SOUND} != SOUND:
        return False
    if "end" not in result:
        return "recovery_s" not in result or bool(result["recovery_s"]["longest"] <= RECOVERY_S)
    middle, end = result["middle"], result["end"]
    grown = max(end[name] / middle[name] for name in HELD) - 1.0
    children = end["largest_child_mib"] / middle["first_children_mib"] - 1.0
    is_flat = grown <= GROWTH and children <= CHILD_GROWTH and end["disk_mib"] <= SOAK_HELD_MIB
    return is_flat and not result["refused"] and not result["flagged"]


if __name__ == "__main__":
    sys.exit(main())
