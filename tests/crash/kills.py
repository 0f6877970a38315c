"""Kills processes of a node at random instants: the node itself, its fork server, or one of its children."""

from __future__ import annotations

import random
import time
from collections import Counter
from contextlib import suppress
from typing import Any

import psutil

from tests.crash.station import Station

VICTIMS = ("node", "child", "fork server")
PAUSE_S = 0.8


def kill_at_random(station: Station, kills: int, seed: int, *, measure: bool = False) -> dict[str, Any]:
    """Counts of kills by victim; with ``measure`` also the seconds until a fresh image had its report again."""
    chance = random.Random(seed)
    done, recoveries = Counter[str](), list[float]()
    while done.total() < kills:
        station.next_answer()
        time.sleep(chance.uniform(0.0, PAUSE_S))
        victim = chance.choice(VICTIMS)
        if victim == "node":
            station.node.kill()
            station.node.start()
        elif not _kill_child(station, chance, fork_server=victim == "fork server"):
            continue
        done[victim] += 1
        if measure:
            recoveries.append(station.next_report_s())
    result: dict[str, Any] = {"kills": dict(done)}
    if recoveries:
        ordered = sorted(recoveries)
        result["recovery_s"] = {"median": round(ordered[len(ordered) // 2], 1), "longest": round(ordered[-1], 1)}
    return result


def _kill_child(station: Station, chance: random.Random, *, fork_server: bool) -> bool:
    children = station.node.children()
    of_server = [one for one in children if _is_fork_server(one)]
    others = [one for one in children if one not in of_server]
    candidates = of_server if fork_server else others
    if not candidates:
        return False
    with suppress(psutil.NoSuchProcess):
        chance.choice(candidates).kill()
    return True


def _is_fork_server(process: psutil.Process) -> bool:
    """The first process that multiprocessing starts; those that decode are its children."""
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        return bool(process.children()) and "forkserver" in " ".join(process.cmdline())
    return False
