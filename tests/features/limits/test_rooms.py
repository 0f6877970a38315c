"""Rooms learn from the images that a node judged: counted down, put in force, confirmed, expired, pooled."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.assessment import Assessment, ModelIdentity
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.room import Place, RoomState, kind_of
from miqa_node.core.domain.site_limit import LimitSet, RoomLimit
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.settings import load_settings
from miqa_node.core.settings.judging import PolicySettings
from miqa_node.core.taxonomy.lookup import reason_code
from miqa_node.errors import ConflictError, NotFoundError
from miqa_node.features.limits import own_limits
from miqa_node.features.limits.rows import room_images
from miqa_node.features.limits.tables import room_images as rows
from miqa_node.features.limits.work import RoomWork
from miqa_node.runtime.site_records import rooms, site_limits
from miqa_node.runtime.site_records.rooms import Room
from miqa_node.runtime.store import tables
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.work.site_rules import SiteRules
from miqa_node.stages.units.rows import instances
from tests.policies import ACCEPT, policy_of
from tests.runtime.store.making import NOW, digest, header, received, study

NOISE, CUT = FindingName("noise"), FindingName("clipped_anatomy")
RULE = {"finding": "noise", "then": "REVIEW", "min_severity": 0.2, "soft": True, "severe": 0.97, "evidence": "card"}
HARD = {"finding": "clipped_anatomy", "then": "REVIEW", "evidence": "card"}
DAY = timedelta(days=1)
ROOM1 = Place("quality", "CHEST", "ROOM1", "PA")
SETTINGS = {"learn_images": 20, "learn_days": 3, "learn_at_most_days": 30, "room_budget": 0.05, "confirm_first": False}


@pytest.fixture(scope="module")
def policy() -> Policy:
    return policy_of(ACCEPT, RULE, HARD)


def judged(number: int, strength: float, *, cut: float = 0.0, sha256: str = "ab" * 32, **values: Any) -> Assessment:
    """An image with this strength of noise; four days have them in turn, and each hundred comes ten days later."""
    findings = (
        Finding(NOISE, reason_code(NOISE), 1.0, strength, 0.5),
        Finding(CUT, reason_code(CUT), cut, 1.0, 0.5),
    )
    of = header(number, number, **values)
    model = ModelIdentity("quality", "1.0" if sha256 == "ab" * 32 else "2.0", sha256)
    at = NOW + timedelta(days=number // 100 * 10 + number % 4, minutes=number)
    return Assessment(digest(number), of, at, findings=findings, model=model, score=0.9)


class Site:
    """A node's database with the work that lets rooms learn."""

    def __init__(self, database: Database, policy: Policy, **settings: Any) -> None:
        self.database, self.policy = database, policy
        values = load_settings().policy.model_dump() | SETTINGS | settings
        self.settings = PolicySettings(**values)
        self.rules = SiteRules(database, lambda: policy, 0, self.settings.learn_images)
        self.work = RoomWork(database, self.settings, self.rules.current)
        self.rules.follow()

    def judge(self, assessment: Assessment, *, is_noted: bool = True) -> Assessment:
        """As the pipeline does it; without ``is_noted`` as versions did that read documents again."""
        with self.database.begin() as transaction:
            of, number = assessment.digest, int(assessment.header.study_instance_uid.rpartition(".")[2])
            came = received(of, assessment.assessed_at)
            instances.record(transaction, assessment.header, study(number), came, f"instances/{of}.dcm")
            instances.save_assessment(transaction, assessment)
            if is_noted:
                room_images.note(transaction, assessment, self.rules.current())
        return assessment

    def judge_all(self, strengths: Sequence[float], first: int = 1, **values: Any) -> None:
        for number, strength in enumerate(strengths, first):
            self.judge(judged(number, strength, **values))

    def look(self, after: timedelta = DAY, *, times: int = 2) -> None:
        """As the thread does it, and all other processes follow."""
        for turn in range(times):
            self.work.look(datetime.now(NOW.tzinfo) + after + timedelta(minutes=turn))
        self.rules.follow()

    def learn_anew(self, **settings: Any) -> None:
        """A person wants it; processes begin again with other settings."""
        self.settings = self.settings.model_copy(update=settings)
        self.work = RoomWork(self.database, self.settings, self.rules.current)
        with self.database.begin() as transaction:
            rooms.learn_anew(transaction, "mara", "", NOW + 40 * DAY)
        self.rules.follow()

    @property
    def rooms(self) -> dict[str, Room]:
        with self.database.begin() as transaction:
            return {f"{one.place.room}{one.place.detector}": one for one in rooms.every(transaction)}

    def state(self, room: str) -> RoomState:
        return self.rooms[room].state

    def verdict(self, assessment: Assessment) -> tuple[Verdict, str]:
        disposition = decide(assessment, self.rules.current())
        return disposition.verdict, "; ".join(reason.text for reason in disposition.reasons)


LIKE = [0.5 + 0.01 * (number % 10) for number in range(24)]
"""Noise of a room that the policy flags as a whole."""


def test_the_first_image_makes_a_room_and_noise_is_held_and_counted_down(database: Database, policy: Policy) -> None:
    site = Site(database, policy)
    noisy = judged(1, 0.55)
    assert site.rules.current().site_limits.look_of(kind_of(noisy)) is not None, "before anybody noted the room"
    site.judge(noisy)
    site.look()
    assert list(site.rooms) == ["ROOM1"]
    verdict, text = site.verdict(noisy)
    assert verdict is Verdict.NOT_ASSESSED
    assert "counts after 19 more images" in text
    site.judge_all(LIKE[:6], first=2)
    site.look()
    assert "counts after 13 more images" in site.verdict(noisy)[1]
    assert site.verdict(judged(99, 0.1))[0] is Verdict.ACCEPT, "nothing is held of it"
    assert site.verdict(judged(98, 0.99))[0] is Verdict.REVIEW, "severe"
    assert site.verdict(judged(97, 0.1, cut=1.0))[0] is Verdict.REVIEW, "a hard finding is never held"
    assert site.rules.current().version == policy.version


def test_a_room_learns_its_limits_which_are_in_force_at_once(database: Database, policy: Policy) -> None:
    site = Site(database, policy)
    site.judge_all(LIKE)
    site.look()
    room = site.rooms["ROOM1"]
    assert (room.state, room.images, room.learned_from.packages) == (RoomState.LEARNED, 24, ("quality-1.0",))
    limits = site.rules.current().site_limits
    assert [(one.where, one.finding, one.replaces) for one in limits.limits] == [(ROOM1, "noise", False)]
    assert site.rules.current().version == f"{policy.version}+limits.1"
    assert site.verdict(judged(99, 0.55))[0] is Verdict.ACCEPT, "as the room usually is"
    verdict, text = site.verdict(judged(98, 0.9))
    assert verdict is Verdict.REVIEW, text
    with database.begin() as transaction:
        limit_set = site_limits.load(transaction, 1)
    assert limit_set.in_force_at is not None
    assert limit_set.proposal is not None
    one = limit_set.proposal.limits[0]
    assert (one.images, one.present, len(one.nearest)) == (24, 24, own_limits.NEAREST)
    assert one.simulated is one.found is None
    site.judge_all([0.9] * 24, first=101)
    site.look(2 * DAY, times=4)
    assert site.rules.current().site_limits.number == 1, (
        "limits are made once: a room that becomes worse is beyond them"
    )
    assert site.rooms["ROOM1"].whole.told == ("noise",), "and is told as a whole"


def test_images_of_one_day_alone_do_not_suffice(database: Database, policy: Policy) -> None:
    site = Site(database, policy)
    site.judge_all(LIKE, first=1)
    site.settings = site.settings.model_copy(update={"learn_days": 5})
    site.work = RoomWork(database, site.settings, site.rules.current)
    site.look()
    assert site.state("ROOM1") is RoomState.LEARNING
    assert "after 1 more image" in site.verdict(judged(99, 0.55))[1]


def test_what_teaches_and_what_does_not(database: Database, policy: Policy) -> None:
    site = Site(database, policy)
    site.judge_all(LIKE[:5])
    site.judge(judged(6, 0.5, cut=1.0))
    site.judge(replace(judged(7, 0.5), phantom="It is one."))
    site.judge(judged(8, 0.5, quality_control=True))
    again = judged(9, 0.5)
    site.judge(
        replace(again, header=replace(again.header, study_instance_uid=judged(5, 0.5).header.study_instance_uid))
    )
    site.judge(judged(10, 0.5))
    row: dict[str, Any] = {column.name: "" for column in tables.acquisitions.c if not column.nullable}
    row |= {"digest": digest(10), "day": NOW.date(), "acquired_at": NOW.replace(tzinfo=None), "archived": False}
    row |= {"repeated": False, "rejected": True, "binned": False, "changed_at": NOW}
    with database.begin() as transaction:
        transaction.execute(sa.insert(tables.acquisitions).values(row))
        images = room_images.taught(room_images.newest(transaction, ROOM1))
    assert {one.digest for one in images} == {digest(number) for number in (1, 2, 3, 4, 6, 9)}, "also with another flag"
    site.look()
    assert list(site.rooms) == ["ROOM1"]


def test_images_of_another_graph_teach_nothing(database: Database, policy: Policy) -> None:
    site = Site(database, policy)
    site.judge_all(LIKE[:6])
    site.judge_all(LIKE[:3], first=43, sha256="cd" * 32)
    with database.begin() as transaction:
        images = room_images.newest(transaction, ROOM1)
    assert {one.package for one in images} == {"quality-2.0"}


def test_an_image_that_is_judged_again_counts_once_as_it_was_judged_last(database: Database, policy: Policy) -> None:
    site = Site(database, policy)
    site.judge(judged(1, 0.5))
    with database.begin() as transaction:
        room_images.note(transaction, judged(1, 0.7), policy)
        [image] = room_images.newest(transaction, ROOM1)
        assert image.seen.degrees["noise"] == pytest.approx(0.7)
        room_images.note(transaction, replace(judged(1, 0.7), phantom="It is one."), policy)
        assert room_images.newest(transaction, ROOM1) == []


def test_old_images_go_once_there_are_enough_newer_ones(
    database: Database, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_images, "MOST_KEPT", 10)
    site = Site(database, policy)
    site.judge_all(LIKE)
    site.look()
    with database.begin() as transaction:
        there = transaction.execute(sa.select(rows.c.at).order_by(rows.c.at)).scalars().all()
    assert len(there) == 10
    assert there[0] > NOW + DAY, "the newest stay"


def test_a_site_may_want_to_confirm_first(database: Database, policy: Policy) -> None:
    site = Site(database, policy, confirm_first=True)
    site.judge_all(LIKE)
    site.judge_all(LIKE, first=101, station_name="ROOM2")
    site.look(times=4)
    assert {name: one.state for name, one in site.rooms.items()} == dict.fromkeys(
        ("ROOM1", "ROOM2"), RoomState.LEARNING
    )
    assert "held until somebody confirms" in site.verdict(judged(99, 0.55))[1]
    assert site.rules.current().site_limits.limits == ()
    with database.begin() as transaction:
        site_limits.confirm(transaction, 2, "mara", "", NOW, second_look=True)
    site.rules.follow()
    assert {one.state for one in site.rooms.values()} == {RoomState.CONFIRMED}
    assert {one.images for one in site.rooms.values()} == {24}
    assert {one.room for one in site.rules.current().site_limits.limits} == {"ROOM1", "ROOM2"}
    assert site.verdict(judged(99, 0.55))[0] is Verdict.ACCEPT


def test_confirmed_rooms_end_the_silence_of_all_their_body_parts(database: Database, policy: Policy) -> None:
    site = Site(database, policy)
    site.judge_all(LIKE * 2)
    site.judge_all(LIKE * 2, first=101, body_part_examined="KNEE")
    site.judge_all(LIKE[:2], first=201, body_part_examined="HAND")
    site.look(31 * DAY, times=8)
    assert {one.state for one in site.rooms.values()} == {RoomState.LEARNED}
    with database.begin() as transaction:
        newest = site_limits.history(transaction)[0]
        assert newest.proposal is not None
        assert newest.proposal.parts == {"CHEST": 48, "KNEE": 48}, "hands took theirs from others"
        for part in ("CHEST", "KNEE", "HAND"):
            site_limits.begin_part(transaction, part, NOW)
        site_limits.confirm(transaction, newest.number, "mara", "", NOW)
        assert list(site_limits.silence(transaction, 7).parts(NOW)) == ["HAND"]


def test_what_waits_for_nobody_ends_with_the_policy(database: Database, policy: Policy) -> None:
    site = Site(database, policy, confirm_first=True)
    site.judge_all(LIKE)
    site.look()
    site.look(31 * DAY)
    assert site.state("ROOM1") is RoomState.LEARNED
    assert site.verdict(judged(99, 0.55))[0] is Verdict.REVIEW
    with database.begin() as transaction:
        site_limits.confirm(transaction, 1, "mara", "", NOW, second_look=True)
    site.rules.follow()
    assert site.verdict(judged(99, 0.55))[0] is Verdict.ACCEPT


def test_other_software_lets_the_limits_expire_until_the_room_learned_anew(database: Database, policy: Policy) -> None:
    site = Site(database, policy)
    site.judge_all(LIKE, software_versions="V1")
    site.look()
    with database.begin() as transaction:
        site_limits.confirm(transaction, 1, "mara", "", NOW)
    assert site.state("ROOM1") is RoomState.CONFIRMED
    site.judge_all([0.3] * 4, first=201, software_versions="V2")
    site.look(2 * DAY)
    assert site.state("ROOM1") is RoomState.CONFIRMED, "a few are chance"
    site.judge_all([0.3] * 4, first=205, software_versions="V2")
    site.look(3 * DAY)
    assert site.state("ROOM1") is RoomState.EXPIRED
    assert site.verdict(judged(99, 0.55))[0] is Verdict.ACCEPT, "its limits stay in force"
    site.judge_all([0.3 + 0.005 * (n % 8) for n in range(16)], first=209, software_versions="V2")
    site.look(4 * DAY)
    room = site.rooms["ROOM1"]
    assert (room.state, room.images, room.learned_from.software) == (RoomState.LEARNED, 24, ("V2",))
    assert site.verdict(judged(99, 0.55))[0] is Verdict.REVIEW, "it is no noisy room any more"
    assert site.rules.current().site_limits.number == 2


def test_a_room_with_too_few_images_takes_the_limits_of_more(database: Database, policy: Policy) -> None:
    site = Site(database, policy)
    site.judge_all(LIKE[:10], detector_id="D1")
    site.judge_all(LIKE[:12], first=101, detector_id="D2")
    site.judge_all(LIKE[:3], first=201, station_name="ALONE", view_position="LATERAL", body_part_examined="KNEE")
    site.look(timedelta())
    site.look(29 * DAY)
    assert {one.state for one in site.rooms.values()} == {RoomState.LEARNING}
    site.look(31 * DAY, times=6)
    states = {name: (one.state, one.learned_from.place) for name, one in site.rooms.items()}
    assert states["ROOM1D1"] == (RoomState.LEARNED, ROOM1)
    assert states["ALONE"] == (RoomState.LEARNED, Place("quality")), "all of the package"
    assert site.verdict(judged(99, 0.55, detector_id="D1"))[0] is Verdict.ACCEPT
    site.judge_all(LIKE[:20], first=301, detector_id="D1")
    site.look(35 * DAY, times=4)
    assert site.rooms["ROOM1D1"].learned_from.place is None, "its own, once there are enough"


def test_without_images_anywhere_the_policy_holds(database: Database, policy: Policy) -> None:
    site = Site(database, policy)
    site.judge_all(LIKE[:10])
    site.look()
    site.look(31 * DAY)
    room = site.rooms["ROOM1"]
    assert (room.state, room.learned_from.place, room.images) == (RoomState.LEARNED, Place(), 0)
    assert site.verdict(judged(99, 0.55))[0] is Verdict.REVIEW
    assert site.rules.current().site_limits.number == 0


def test_a_room_of_an_earlier_version_learns_from_the_images_that_are_there(database: Database, policy: Policy) -> None:
    site = Site(database, policy)
    for number, strength in enumerate(LIKE, 1):
        site.judge(judged(number, strength), is_noted=False)
    with database.begin() as transaction:
        rooms.begin(transaction, ROOM1, NOW)
        transaction.execute(sa.update(tables.rooms).values(so_far=12))
    site.judge(judged(101, 0.55))
    site.look()
    assert site.state("ROOM1") is RoomState.LEARNED, "also if one came before the first look"
    assert site.verdict(judged(99, 0.55))[0] is Verdict.ACCEPT


def test_limits_that_a_person_confirmed_stay(database: Database, policy: Policy) -> None:
    site = Site(database, policy)
    mine = RoomLimit(NOISE, "", "", 0.3)
    site.judge_all([0.5] * 45, first=400, station_name="OTHER")
    with database.begin() as transaction:
        tried = own_limits.appraise(own_limits.newest_images(transaction, policy), [mine], policy)
        number = site_limits.propose(transaction, tried, NOW).number
        site_limits.confirm(transaction, number, "mara", "", NOW, second_look=True)
    site.judge_all(LIKE)
    site.look(times=4)
    assert site.state("ROOM1") is RoomState.LEARNED
    assert site.rules.current().site_limits.limits == (mine,)


def test_two_processes_learn_a_room_once(database: Database, policy: Policy) -> None:
    site = Site(database, policy)
    site.judge_all(LIKE)
    other = Site(database, policy)
    site.look(times=1)
    other.look(times=2)
    with database.begin() as transaction:
        assert len(site_limits.history(transaction)) == 1


def test_an_upgraded_node_does_not_learn_until_a_person_wants_it(database: Database, policy: Policy) -> None:
    with database.begin() as transaction:
        row: dict[str, Any] = {
            **dict.fromkeys(("package", "body_part", "room", "view", "detector"), ""),
            "state": "confirmed",
        }
        row |= {"began_at": NOW, "changed_at": NOW, "images": 0, "so_far": 0, "told": [], "learned_from": {}}
        transaction.execute(sa.insert(tables.rooms).values(row))
    site = Site(database, policy)
    site.judge_all(LIKE)
    site.look()
    assert site.rooms == {}
    assert site.verdict(judged(99, 0.55))[0] is Verdict.REVIEW
    site.learn_anew()
    site.judge(judged(50, 0.55))
    site.look()
    assert site.state("ROOM1") is RoomState.LEARNED, "from the images that were there"


def test_rooms_learn_anew_by_another_budget_and_keep_their_limits_until_then(
    database: Database, policy: Policy
) -> None:
    site = Site(database, policy, room_budget=0.01)
    site.judge_all([*LIKE[:-2], 0.93, 0.94])
    site.judge_all(LIKE[:2], first=101, station_name="ROOM2")
    site.look(times=4)
    with database.begin() as transaction:
        site_limits.confirm(transaction, 1, "mara", "", NOW)
    site.rules.follow()
    before = site.rules.current().site_limits.limits
    site.learn_anew(room_budget=0.3)
    room = site.rooms["ROOM1"]
    assert (room.state, room.images, room.so_far) == (RoomState.EXPIRED, 24, 0)
    assert site.state("ROOM2") is RoomState.LEARNING
    assert site.rules.current().site_limits.limits == before
    assert site.verdict(judged(99, 0.55))[0] is Verdict.ACCEPT, "its limits stay in force"
    site.look(50 * DAY, times=4)
    assert site.state("ROOM1") is RoomState.LEARNED
    [limit_set] = [one for one in sets(database) if one.number == 2]
    assert limit_set.proposal is not None
    assert limit_set.proposal.budget == 0.3
    assert site.rules.current().site_limits.number == 2


def test_what_waits_for_a_person_is_learned_anew(database: Database, policy: Policy) -> None:
    site = Site(database, policy, confirm_first=True)
    site.judge_all(LIKE)
    site.look()
    assert site.rooms["ROOM1"].waiting_set == 1
    site.learn_anew(confirm_first=False)
    again = site.rooms["ROOM1"]
    assert not again.waits
    assert again.state is RoomState.LEARNING
    site.look(2 * DAY)
    assert site.state("ROOM1") is RoomState.LEARNED
    assert site.rules.current().site_limits.number == 2


def test_a_pooled_room_goes_on_learning(database: Database, policy: Policy) -> None:
    site = Site(database, policy)
    site.judge_all(LIKE[:10], detector_id="D1")
    site.judge_all(LIKE[:12], first=101, detector_id="D2")
    site.look()
    site.look(31 * DAY, times=6)
    pooled = site.rooms
    assert all(one.is_pooled for one in pooled.values())
    site.learn_anew()
    assert site.rooms == pooled


def sets(database: Database) -> list[LimitSet]:
    with database.begin() as transaction:
        return site_limits.history(transaction)


def test_a_site_of_ever_new_rooms_goes_by_the_policy(
    database: Database, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rooms, "MOST_ROOMS", 3)
    site = Site(database, policy)
    for number in range(1, 6):
        site.judge(judged(number, 0.55, station_name=f"R{number}"))
    site.look()
    assert len(site.rooms) == 3
    assert site.verdict(judged(99, 0.55, station_name="R9"))[0] is Verdict.REVIEW


def test_a_withdrawal_lets_the_policy_apply(database: Database, policy: Policy) -> None:
    site = Site(database, policy)
    site.judge_all(LIKE)
    site.look()
    with database.begin() as transaction:
        site_limits.withdraw(transaction, "mara", "", NOW)
    site.look(2 * DAY)
    assert site.rooms["ROOM1"].found is None
    assert site.verdict(judged(99, 0.55))[0] is Verdict.REVIEW


def test_without_learning_nothing_is_noted(database: Database, policy: Policy) -> None:
    site = Site(database, policy, learn_images=0)
    site.judge_all(LIKE)
    site.look()
    assert site.rooms == {}
    assert site.rules.current() is policy


def test_words_that_the_standard_does_not_know_are_not_kept(database: Database, policy: Policy) -> None:
    site, image = Site(database, policy), judged(1, 0.6)
    words = replace(image.header, body_part_examined="CHEST", view_position="MRS SMITH", station_name="ROOM1")

    site.judge(replace(image, header=words))
    site.look()

    (room,) = site.rooms.values()
    assert room.place == replace(ROOM1, view="")
    assert "held while this room learns" in site.verdict(replace(image, header=words))[1]


def test_a_room_is_told_as_a_whole_while_it_learns_whatever_flags_its_images(
    database: Database, policy: Policy
) -> None:
    site = Site(database, policy, learn_images=50)
    for number, strength in enumerate(LIKE[:19], 1):
        site.judge(judged(number, strength, cut=1.0))
    site.look()
    assert site.rooms["ROOM1"].whole.told == (), "of so few a median says little"
    site.judge(judged(20, 0.5, cut=1.0))
    site.look(2 * DAY)
    room = site.rooms["ROOM1"]
    assert (room.state, room.so_far) == (RoomState.LEARNING, 20)
    assert room.whole.told == room.whole.unseen == ("noise",)
    assert len(room.whole.examples) == 6
    site.look(3 * DAY)
    assert site.rooms["ROOM1"].whole.since == room.whole.since, "it is told once"


def test_a_room_whose_median_moved_beyond_its_limit_is_told_and_its_limit_stays(
    database: Database, policy: Policy
) -> None:
    site = Site(database, policy)
    site.judge_all([0.03 + 0.001 * (number % 10) for number in range(24)])
    site.look()
    [limit] = site.rules.current().site_limits.limits
    assert limit.least_strength < 0.1, "lower than the policy's"
    assert site.verdict(judged(99, 0.1))[0] is Verdict.REVIEW
    site.judge_all([0.1] * 60, first=101)
    site.look(2 * DAY, times=4)
    assert site.rooms["ROOM1"].whole.told == ("noise",), "though others reach as much"
    assert site.rules.current().site_limits.limits == (limit,)


def test_phantoms_and_rejected_images_say_nothing_of_a_room(database: Database, policy: Policy) -> None:
    site = Site(database, policy)
    for number in range(1, 41):
        site.judge(replace(judged(number, 0.9), phantom="It is one.") if number % 2 else judged(number, 0.1))
    site.look(times=4)
    assert site.rooms["ROOM1"].whole.told == ()


def test_what_somebody_has_seen_is_told_again_only_if_something_else_is_new(database: Database, policy: Policy) -> None:
    site = Site(database, policy)
    site.judge_all(LIKE)
    site.look(times=4)
    with database.begin() as transaction:
        assert [one.place for one in rooms.unseen(transaction)] == [ROOM1]
        rooms.see(transaction, [ROOM1], "mara", "the grid was missing", NOW)
    with database.begin() as transaction, pytest.raises(ConflictError):
        rooms.see(transaction, [ROOM1], "mara", "", NOW)
    with database.begin() as transaction, pytest.raises(NotFoundError):
        rooms.see(transaction, [replace(ROOM1, room="R9")], "mara", "", NOW)
    site.judge_all(LIKE, first=101)
    site.look(2 * DAY)
    whole = site.rooms["ROOM1"].whole
    assert (whole.told, whole.seen, whole.unseen) == (("noise",), ("noise",), ())
    [entry] = [one for one in audit(database) if one.get("action") == "room seen"]
    assert (entry["place"], entry["told"], entry["comment"]) == (str(ROOM1), "noise", "the grid was missing")
    with database.begin() as transaction:
        assert rooms.tell(transaction, ROOM1, ["noise", "unsharp"], [], NOW + DAY)
    whole = site.rooms["ROOM1"].whole
    assert (whole.unseen, whole.since) == (("unsharp",), NOW + DAY)
    with database.begin() as transaction:
        assert not rooms.tell(transaction, ROOM1, [], [], NOW + 2 * DAY)
        assert rooms.tell(transaction, ROOM1, ["noise"], [], NOW + 3 * DAY), "it was mended, and is there again"
    assert site.rooms["ROOM1"].whole.unseen == ("noise",)


def audit(database: Database) -> list[dict[str, Any]]:
    """Each record of the audit trail in full."""
    with database.begin() as transaction:
        rows = transaction.execute(sa.select(tables.audit_records.c.detail)).scalars().all()
    return [json.loads(row) for row in rows if row]
