"""Kills processes of a node at random instants: the node itself, its fork server, or one of its children."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import suppress
from typing import Any

import psutil

from tests.crash.station import Station
from tests.waiting import delay, wait_until

CHILDREN = ("child", "fork server")
PAUSE_S = 0.8
BACKLOG = 24
"""Images that may wait at a time while processes are killed."""
IDLE_EVERY = 4
"""Every fourth kill meets a node that has nothing to do."""
MEASURED_EVERY = 5
QUIET_S = 60.0
PAUSED_EVERY = 4
ANSWERS = 4
"""Images that are taken between bursts."""
MOST_IN_A_ROW = 6
BURST_S = 5.0
"""Longest life of a node between two kills in a row: it may just have begun to judge."""


def kill_at_random(station: Station, kills: int, seed: int, *, measure: bool = False) -> dict[str, Any]:
    """Counts of kills by victim; with ``measure`` also the seconds until a fresh image had its report again."""
    chance = random.Random(seed)
    busy, idle, recoveries = Counter[str](), Counter[str](), list[float]()
    station.limit_backlog(BACKLOG)
    while (number := busy.total() + idle.total()) < kills:
        station.scanner.held = False
        station.next_answer()
        is_idle = number % IDLE_EVERY == IDLE_EVERY - 1 and _calm(station)
        delay(chance.uniform(0.0, PAUSE_S))
        victim = chance.choice((*station.node.roles, *CHILDREN))
        if victim in station.node.roles:
            station.node.kill(victim)
            station.node.start(victim)
        elif not _kill_child(station, chance, fork_server=victim == "fork server"):
            continue
        (idle if is_idle else busy)[victim] += 1
        station.scanner.held = False
        if measure and number % MEASURED_EVERY == 0:
            recoveries.append(station.next_report_s())
    station.scanner.held = False
    result: dict[str, Any] = {"kills": dict(busy + idle), "of_an_idle_node": idle.total()}
    if recoveries:
        result["recoveries_s"] = [round(one, 1) for one in recoveries]
    return result


def kill_in_bursts(station: Station, kills: int, seed: int) -> dict[str, Any]:
    """Kill the whole node; after every third time again and again soon after its start, before it has recovered."""
    chance = random.Random(seed)
    station.limit_backlog(BACKLOG)
    killed = bursts = 0
    while killed < kills:
        for _ in range(ANSWERS):
            station.next_answer()
        in_a_row = chance.randint(2, MOST_IN_A_ROW) if killed % 3 == 2 else 1
        bursts += in_a_row > 1
        for number in range(min(in_a_row, kills - killed)):
            delay(chance.uniform(0.0, BURST_S if number else PAUSE_S))
            station.node.kill()
            station.node.start()
            killed += 1
    return {"kills": {"all": killed}, "bursts": bursts}


def pause_at_random(station: Station, instants: int, seed: int, pause_s: float) -> dict[str, Any]:
    """Counts of kills and pauses by role, in turn; of four the last is a pause, which outlasts every lease."""
    chance = random.Random(seed)
    kills, pauses = Counter[str](), Counter[str]()
    station.limit_backlog(BACKLOG)
    roles = chance.sample(station.node.roles, len(station.node.roles))
    for number in range(instants):
        station.next_answer()
        delay(chance.uniform(0.0, PAUSE_S))
        if number % PAUSED_EVERY == PAUSED_EVERY - 1:
            role = roles[pauses.total() % len(roles)]
            with station.node.paused(role):
                delay(pause_s)
            pauses[role] += 1
        else:
            role = chance.choice(station.node.roles)
            station.node.kill(role)
            station.node.start(role)
            kills[role] += 1
    return {"kills": dict(kills), "pauses": dict(pauses)}


def _calm(station: Station) -> bool:
    """Hold the scanner until nothing waits; False, and it goes on, if that takes too long."""
    station.scanner.held = True
    try:
        wait_until(lambda: station.waiting() == 0, QUIET_S)
    except AssertionError:
        station.scanner.held = False
        return False
    return True


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
