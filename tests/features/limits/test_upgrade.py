"""From the schema before 0077: what people confirmed is in force, what rooms learned is made anew."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command

from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.room import RoomState
from miqa_node.features.usual_ranges.tables import usual_baselines
from miqa_node.runtime.site_records import confirmed_ranges, site_limits
from miqa_node.runtime.store import tables
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.schema import alembic_config
from tests.features.limits.test_rooms import DAY, HARD, LIKE, ROOM1, RULE, Site, judged
from tests.policies import ACCEPT, policy_of
from tests.runtime.store.making import NOW

BEFORE = "0076"
HISTORY = "ab" * 8


@pytest.fixture(scope="module")
def policy() -> Policy:
    return policy_of(ACCEPT, RULE, HARD)


@pytest.fixture
def before(database_url: str) -> Iterator[Database]:
    """A database of the schema before."""
    database = Database(database_url, pool_size=2)
    config = alembic_config()
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, BEFORE)
    yield database
    database.close()


def room(name: str, state: str, images: int) -> dict[str, Any]:
    of = {"package": "quality", "body_part": "CHEST", "room": name, "view": "PA", "detector": ""}
    times = {"began_at": datetime.now(UTC), "changed_at": NOW}
    more = {"told": [], "learned_from": {"packages": ["quality-1.0"]}, "found": 0.8, "seen": [], "examples": []}
    return {**of, "state": state, "images": images, "so_far": 0, **times, **more}


def limit(name: str, strength: float, *, replaces: bool) -> dict[str, Any]:
    where = {"package": "quality", "body_part": "CHEST", "room": name, "view": "PA", "detector": ""}
    of = {"finding": "noise", "least_strength": strength, **where, "replaces": replaces}
    tried = {"simulated": 30, "found": 20, "found_today": 21}
    return {"limit": of, "images": 24, "present": 24, "flagged": 1, "nearest": [], **tried}


def look(name: str, state: str) -> dict[str, Any]:
    place = {"package": "quality", "body_part": "CHEST", "room": name, "view": "PA", "detector": ""}
    return {"place": place, "state": state, "images": 24, "lacking": 0, "found": 0.8, "since": "2026-01-02T03:04:05Z"}


def a_set(limits: list[dict[str, Any]], looks: list[dict[str, Any]]) -> dict[str, Any]:
    """As the version before stored it."""
    numbers = {"budget": 0.02, "images": 24, "always": 0, "before": 24, "flagged": 1, "tail": 0.0, "days": 4}
    return {**numbers, "groups": {"ROOM1": 24}, "limits": limits, "parts": {"CHEST": 24}, "others": [], "looks": looks}


def fill(database: Database, policy: Policy) -> None:
    """ROOM1 learned limits that nobody confirmed, a person confirmed those of ROOM2 and a range, knees are silent."""
    site = Site(database, policy)
    for number, strength in enumerate(LIKE, 1):
        site.judge(judged(number, strength), is_noted=False)
    provisional = a_set(
        [limit("ROOM1", 0.9, replaces=False), limit("ROOM2", 0.8, replaces=False)],
        [look("ROOM1", "provisional"), look("ROOM2", "provisional")],
    )
    ranges = {"unit": "1", "low": 1.0, "high": 3.0, "series": 40, "since": "2026-01-02T03:04:05"}
    machine: dict[str, Any] = {column.name: "" for column in usual_baselines.c}
    machine |= {"baseline": HISTORY, "modality": "DX", "station": "ROOM2", "serial_number": "D2", "body_part": "CHEST"}
    machine |= {"view": "PA", "first_at": NOW.replace(tzinfo=None), "last_at": NOW.replace(tzinfo=None)}
    machine |= {"series": 40, "ranged_series": 40, "ranges": []}
    confirmed = {"history": HISTORY, "station": "ROOM2", "confirmed_at": NOW, "actor": "mara"}
    confirmed["ranges"] = [{"measurement": name, **ranges} for name in ("noise_share", "entropy")]
    silent = {"body_part": "KNEE", "began_at": NOW, "ended_at": None, "actor": "", "comment": ""}
    one = {"proposed_at": NOW, "document": provisional, "actor": "", "comment": "", "in_force_at": NOW}
    with database.begin() as transaction:
        for values in (room("ROOM1", "provisional", 24), room("ROOM2", "confirmed", 24), room("ROOM3", "learning", 0)):
            transaction.execute(sa.insert(tables.rooms).values(values))
        transaction.execute(sa.insert(tables.site_limits).values(one))
        transaction.execute(sa.insert(usual_baselines).values(machine))
        transaction.execute(sa.insert(tables.confirmed_ranges).values(confirmed))
        transaction.execute(sa.insert(tables.body_parts).values(silent))


def test_what_was_confirmed_stays_and_what_rooms_learned_is_made_anew(before: Database, policy: Policy) -> None:
    fill(before, policy)
    before.migrate()
    site = Site(before, policy)
    assert {name: one.state for name, one in site.rooms.items()} == {
        "ROOM1": RoomState.EXPIRED, "ROOM2": RoomState.CONFIRMED, "ROOM3": RoomState.LEARNING,
    }  # fmt: skip
    in_force = site.rules.current().site_limits
    stays = {(one.room, one.finding, one.least_strength, one.replaces) for one in in_force.limits}
    noises = {("ROOM1", "noise", 0.9, False), ("ROOM2", "noise", 0.8, False)}
    assert stays == noises | {("ROOM2", "noise_share", 3.0, True)}
    assert in_force.number == 2
    site.look()
    assert {name: one.state for name, one in site.rooms.items()} == {
        "ROOM1": RoomState.LEARNED, "ROOM2": RoomState.CONFIRMED, "ROOM3": RoomState.LEARNING,
    }  # fmt: skip
    limits = {(one.room, str(one.finding)): one for one in site.rules.current().site_limits.limits}
    assert limits["ROOM1", "noise"].least_strength < 0.9, "from the images that are there"
    assert limits["ROOM2", "noise"].least_strength == 0.8
    assert limits["ROOM2", "noise_share"].detector == "D2"
    with before.begin() as transaction:
        assert confirmed_ranges.confirmation(transaction, HISTORY) is not None, "for a policy without learned rules"
        assert list(site_limits.silence(transaction, 7).parts(NOW + DAY)) == ["KNEE"]


def test_a_confirmed_set_stays_in_force_whatever_its_rooms_would_learn(before: Database, policy: Policy) -> None:
    fill(before, policy)
    with before.begin() as transaction:
        transaction.execute(sa.update(tables.site_limits).values(confirmed_at=NOW, actor="mara"))
        transaction.execute(sa.update(tables.rooms).where(tables.rooms.c.room == "ROOM1").values(state="confirmed"))
    before.migrate()
    site = Site(before, policy)
    site.look(times=3)
    assert site.state("ROOM1") is RoomState.CONFIRMED
    limits = site.rules.current().site_limits
    assert {(one.where, one.finding, one.least_strength) for one in limits.limits if one.room == "ROOM1"} == {
        (ROOM1, "noise", 0.9)
    }
    assert limits.actor == "mara"


def test_without_a_confirmed_range_no_set_is_made(before: Database, policy: Policy) -> None:
    before.migrate()
    assert Site(before, policy).rules.current().site_limits.number == 0
