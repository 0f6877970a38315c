"""Limits of a person's own: tried on the newest images, with what flags in any case, and in force once confirmed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from miqa_node.core.domain.assessment import Assessment, ModelIdentity
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.room import JudgedKind, Place
from miqa_node.core.domain.site_limit import RoomLimit, SiteLimits
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.settings import share_dir
from miqa_node.core.settings.policy import read_policy
from miqa_node.core.taxonomy.lookup import reason_code
from miqa_node.errors import ConflictError, NotFoundError
from miqa_node.features.limits.own_limits import appraise, newest_images, quiet_images
from miqa_node.runtime.site_records import site_limits
from miqa_node.runtime.store.database import Database, Transaction
from miqa_node.stages.units.rows import instances
from tests.runtime.store.making import NOW, digest, header, received, study

NOISE, CUT = FindingName("noise"), FindingName("clipped_anatomy")
EVERYWHERE = RoomLimit(NOISE, "", "", 0.5)


@pytest.fixture(scope="module")
def policy() -> Policy:
    return read_policy(share_dir("config") / "policy.toml")


def assessed(
    number: int, severity: float, *, room: str = "ROOM1", cut: float = 0.0, sha256: str = "ab" * 32
) -> Assessment:
    findings = (
        Finding(NOISE, reason_code(NOISE), 0.99, severity, 0.5),
        Finding(CUT, reason_code(CUT), cut, 0.5, 0.5),
    )
    of = header(number, number, station_name=room)
    model = ModelIdentity("quality", "0.9.3", sha256)  # the shipped one, which the policy has figures of
    return Assessment(digest(number), of, NOW + timedelta(seconds=number), findings=findings, model=model)


def knee(
    number: int, severity: float, part: str = "KNEE", *, experimental: str = "", has_figures: bool = False
) -> Assessment:
    of = assessed(number, severity, sha256="cd" * 32)
    model = ModelIdentity("any-radiograph", "0.3.0", "cd" * 32)
    of_part = replace(of.header, body_part_examined=part)
    return replace(of, header=of_part, model=model, experimental=experimental, has_figures=has_figures)


def limits_of(*limits: RoomLimit) -> SiteLimits:
    return SiteLimits(limits=limits)


def proposed(transaction: Transaction, policy: Policy, *limits: RoomLimit) -> int:
    """The number of a set of these limits, tried on the images of the store."""
    return site_limits.propose(transaction, appraise(newest_images(transaction, policy), limits, policy), NOW).number


def keep(database: Database, assessment: Assessment, number: int) -> None:
    with database.begin() as transaction:
        of = assessment.digest
        instances.record(transaction, assessment.header, study(number), received(of), f"instances/{of}.dcm")
        instances.save_assessment(transaction, assessment)


def test_the_most_specific_limit_applies() -> None:
    limits = SiteLimits(
        3, tuple(RoomLimit(NOISE, *of) for of in (("", "", 0.1), ("", "PA", 0.2), ("ROOM1", "PA", 0.3)))
    )
    limits_found = [limits.limit_of(NOISE, JudgedKind(Place("quality", "CHEST", *of))) for of in (
        ("ROOM1", "PA"), ("ROOM2", "PA"), ("ROOM2", "AP"))]  # fmt: skip
    assert [one.least_strength for one in limits_found if one] == [0.3, 0.2, 0.1]
    assert limits.limit_of(CUT, JudgedKind(Place("quality", "CHEST", "ROOM1", "PA"))) is None


def test_a_limit_counts_for_its_package_and_body_part_alone() -> None:
    rows = (("any-radiograph", "KNEE", 0.1), ("any-radiograph", "", 0.2), ("quality", "", 0.3))
    limits = SiteLimits(3, tuple(RoomLimit(NOISE, "", "", at, package, part) for package, part, at in rows))

    def strength(package: str, part: str) -> float | None:
        kind = JudgedKind(Place(package, part, "ROOM1", "PA"), is_left=package == "any-radiograph")
        limit = limits.limit_of(NOISE, kind)
        return None if limit is None else limit.least_strength

    assert [strength("any-radiograph", part) for part in ("KNEE", "HAND")] == [0.1, 0.2]
    assert [strength(package, "CHEST") for package in ("quality", "classical")] == [0.3, None]


def test_limits_of_earlier_versions_name_no_package_and_are_about_the_quality_package(policy: Policy) -> None:
    limits = SiteLimits(3, (RoomLimit(NOISE, "ROOM1", "PA", 0.99),), NOW, "mara")
    with_limits, strict = (replace(policy, site_limits=of) for of in (limits, SiteLimits()))
    chest, other = assessed(1, 0.97), replace(assessed(2, 0.97), has_figures=True)
    assert [decide(chest, of).flagged for of in (strict, with_limits)] == [True, False]
    assert [decide(other, of).flagged for of in (strict, with_limits)] == [True, True]


def test_limits_end_the_silence_of_the_parts_that_they_are_about(database: Database, policy: Policy) -> None:
    """A knee that came five minutes ago goes on being silent, whichever limits are confirmed."""
    for number in range(45):
        keep(database, assessed(number, 0.3), number)
    with database.begin() as transaction:
        site_limits.begin_part(transaction, "CHEST", NOW - timedelta(days=2))
        site_limits.begin_part(transaction, "KNEE", NOW - timedelta(minutes=5))
        number = proposed(transaction, policy, EVERYWHERE)
        site_limits.confirm(transaction, number, "mara", "first limits", NOW, second_look=True)
        silence = site_limits.silence(transaction, 7)
        site_limits.withdraw(transaction, "anna", "", NOW + timedelta(hours=1))
        later = site_limits.silence(transaction, 7)
    assert silence.why("CHEST", NOW) == later.why("CHEST", NOW + timedelta(hours=2)) == ""
    assert (silence.starts["CHEST"].actor, silence.starts["CHEST"].comment) == ("mara", "first limits")
    assert "KNEE are silent" in silence.why("KNEE", NOW)


def test_what_limits_would_flag_is_what_the_decision_says(policy: Policy) -> None:
    images = [assessed(n, 0.3 + n / 100, cut=0.9 if n < 4 else 0.0) for n in range(60)]
    made = appraise(images, [EVERYWHERE, RoomLimit(NOISE, "ROOM1", "PA", 0.8)], policy)
    strict = policy.with_limits(limits_of(*(one.limit for one in made.limits)))
    assert made.flagged == sum(decide(one, strict).flagged for one in images) == 13
    assert made.before == sum(decide(one, policy).flagged for one in images) > made.flagged
    assert made.always == 4
    assert (made.budget, made.parts, made.days) == (round(13 / 60, 4), {"CHEST": 60}, 1)
    everywhere, room = made.limits
    assert (everywhere.images, everywhere.flagged, everywhere.nearest) == (0, 0, ()), "the room has its own"
    assert (room.images, room.present, room.flagged) == (60, 60, 9)
    assert room.nearest[0].strength == pytest.approx(0.8, abs=0.01)
    assert {near.flagged for near in room.nearest} == {True, False}
    assert len(quiet_images(images, strict)) == 60 - 13
    with pytest.raises(ConflictError, match="needs 40"):
        appraise(images[:39], [EVERYWHERE], policy)


def test_only_images_of_patients_count_that_the_models_in_force_judged(database: Database, policy: Policy) -> None:
    """60 chests, and 45 noisy knees of the same room and view that the package for any radiograph judged."""
    for number in range(60):
        keep(database, assessed(number, 0.3), number)
    keep(database, replace(assessed(61, 0.9, sha256="ef" * 32), assessed_at=NOW - timedelta(days=9)), 61)
    test = assessed(62, 0.9)
    keep(database, replace(test, header=replace(test.header, quality_control=True)), 62)
    for number in range(100, 145):
        keep(database, knee(number, 0.95, experimental="no figures"), number)
    with database.begin() as transaction:
        images = newest_images(transaction, policy)
    assert {one.digest for one in images} == {digest(number) for number in range(60)}


def test_limits_of_a_package_and_part_are_about_their_images_alone(policy: Policy) -> None:
    own = policy.trusting()
    chests = [assessed(number, 0.3) for number in range(60)]
    knees = [knee(number, 0.7, has_figures=True) for number in range(100, 145)]
    hands = [knee(number, 0.9, "HAND", has_figures=True) for number in range(200, 205)]
    bone = RoomLimit(NOISE, "", "", 0.8, "any-radiograph", "KNEE")
    made = appraise([*chests, *knees, *hands], [bone], own)
    assert (made.images, made.parts, made.known_parts) == (
        110, {"CHEST": 60, "KNEE": 45, "HAND": 5}, ("CHEST", "KNEE"),
    )  # fmt: skip
    [one] = made.limits
    assert (one.images, one.flagged) == (45, 0)
    assert made.flagged == made.before - 45, "of hands and chests the policy's limit counts"


def test_less_than_today_needs_a_second_look(database: Database, policy: Policy) -> None:
    made = appraise([assessed(n, 0.5) for n in range(45)], [EVERYWHERE], policy)
    tried = replace(made, limits=tuple(replace(one, simulated=4, found=1, found_today=2) for one in made.limits))
    assert tried.less_found == (NOISE,)
    with database.begin() as transaction:
        number = site_limits.propose(transaction, tried, NOW).number
        with pytest.raises(ConflictError, match="fewer simulated defects are found than today: noise"):
            site_limits.confirm(transaction, number, "mara", "", NOW)
        assert site_limits.current(transaction).number == 0
        site_limits.confirm(transaction, number, "mara", "", NOW, second_look=True)
        assert site_limits.current(transaction).number == number


def test_a_limit_replaces_that_of_a_soft_rule_and_is_explained_and_a_hard_rule_stays(policy: Policy) -> None:
    limits = SiteLimits(3, (RoomLimit(NOISE, "ROOM1", "PA", 0.1), RoomLimit(CUT, "ROOM1", "PA", 0.99)), NOW, "mara")
    with_limits = policy.with_limits(limits)
    assert decide(assessed(1, 0.15), policy).verdict is Verdict.ACCEPT
    flagged = decide(assessed(1, 0.15), with_limits)
    assert flagged.verdict is Verdict.REVIEW
    assert "(limit 0.10 of ROOM1, PA, set 3, 2026-01-02 by mara)" in flagged.reasons[0].text
    assert flagged.policy_version == f"{policy.version}+limits.3"
    assert decide(assessed(1, 0.05), with_limits).verdict is Verdict.ACCEPT
    strict = policy.with_limits(replace(limits, limits=(RoomLimit(NOISE, "ROOM1", "PA", 0.99),)))
    assert decide(assessed(1, 0.97), strict).verdict is Verdict.ACCEPT
    assert decide(assessed(1, 0.0, cut=0.9), with_limits).verdict is Verdict.REVIEW


def test_sets_are_kept_and_only_a_new_one_can_be_confirmed(database: Database, policy: Policy) -> None:
    for number in range(45):
        keep(database, assessed(number, 0.5), number)
    later = datetime(2026, 2, 1, tzinfo=UTC)
    with database.begin() as transaction:
        first, second = (proposed(transaction, policy, replace(EVERYWHERE, least_strength=at)) for at in (0.4, 0.6))
        site_limits.confirm(transaction, second, "mara", "", NOW, second_look=True)
        with pytest.raises(ConflictError):
            site_limits.confirm(transaction, first, "mara", "", NOW, second_look=True)
        with pytest.raises(ConflictError):
            site_limits.confirm(transaction, second, "mara", "", NOW, second_look=True)
        with pytest.raises(NotFoundError):
            site_limits.confirm(transaction, 99, "mara", "", NOW, second_look=True)
        site_limits.withdraw(transaction, "anna", "too strict", later)
        assert not site_limits.current(transaction).limits
        assert [(one.actor, one.comment) for one in site_limits.history(transaction)] == [
            ("anna", "too strict"), ("mara", ""), ("", "")]  # fmt: skip
        with pytest.raises(ConflictError):
            site_limits.withdraw(transaction, "anna", "", later)
