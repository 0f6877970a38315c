"""An alarm budget: limits come from the site's own images, keep the budget, and change nothing until confirmed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
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
from miqa_node.features.limits.budget import (
    FEWEST,
    LEAST_STRENGTH,
    budget_image,
    grouped,
    propose,
    propose_limits,
)
from miqa_node.features.limits.budget_image import BudgetImage
from miqa_node.runtime.site_records import site_limits
from miqa_node.runtime.store.database import Database
from miqa_node.stages.units.rows import instances
from tests.runtime.store.making import NOW, digest, header, received, study

NOISE, CUT = FindingName("noise"), FindingName("clipped_anatomy")


@pytest.fixture(scope="module")
def policy() -> Policy:
    return read_policy(share_dir("config") / "policy.toml")


def image(
    number: int, strength: float = 0.0, *, room: str = "ROOM1", view: str = "PA", always: bool = False
) -> BudgetImage:
    strengths = {NOISE: strength} if strength else {}
    of = digest(f"{room}{view}{number}")
    return BudgetImage(of, f"1.2.{number}", room, view, frozenset({NOISE}), strengths, always, always)


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


def keep(database: Database, assessment: Assessment, number: int) -> None:
    with database.begin() as transaction:
        of = assessment.digest
        instances.record(transaction, assessment.header, study(number), received(of), f"instances/{of}.dcm")
        instances.save_assessment(transaction, assessment)


def test_the_budget_is_kept_and_used() -> None:
    rng = np.random.default_rng(3)
    images = [image(n, float(rng.uniform(0.3, 1.0))) for n in range(400)]
    made = propose(images, [NOISE], 0.08)
    assert 0.07 * 400 <= made.flagged <= 0.08 * 400
    assert made.limits[0].nearest[0].strength == pytest.approx(made.limits[0].limit.least_strength, abs=0.02)
    assert {near.flagged for near in made.limits[0].nearest} == {True, False}


def test_a_noisy_room_gets_a_higher_limit_than_a_quiet_one() -> None:
    rng = np.random.default_rng(4)
    noisy = [image(n, float(rng.uniform(0.6, 0.9)), room="BEDSIDE", view="AP") for n in range(100)]
    quiet = [image(n, float(rng.uniform(0.2, 0.5)), room="ROOM1") for n in range(100)]
    few = [image(n, 0.4, room=f"R{n}") for n in range(10)]
    made = propose([*noisy, *quiet, *few], [NOISE], 0.08)
    limits = {(one.limit.room, one.limit.view): one.limit.least_strength for one in made.limits}
    assert set(limits) == {("BEDSIDE", "AP"), ("ROOM1", "PA"), ("", "")}
    assert limits["BEDSIDE", "AP"] > 0.8
    assert 0.55 > limits["ROOM1", "PA"] >= LEAST_STRENGTH
    assert made.flagged <= 0.08 * 210


def test_what_flags_in_any_case_comes_out_of_the_budget() -> None:
    images = [image(n, 0.3 + n / 1000, always=n % 10 == 0) for n in range(200)]
    made = propose(images, [NOISE], 0.10)
    assert (made.always, made.flagged) == (20, 20)
    assert made.limits[0].flagged == 0


def test_small_groups_are_pooled_by_view_and_then_altogether() -> None:
    images = [image(n, 0.4, room=f"R{n}", view="AP") for n in range(FEWEST)] + [image(0, 0.4, room="", view="")]
    assert {group: len(members) for group, members in grouped(images).items()} == {
        Place("quality", view="AP"): FEWEST,
        Place("quality"): FEWEST + 1,
    }
    with pytest.raises(ConflictError, match="needs 40"):
        propose(images[: FEWEST - 1], [NOISE], 0.08)


def test_the_most_specific_limit_applies() -> None:
    limits = SiteLimits(
        3, tuple(RoomLimit(NOISE, *of) for of in (("", "", 0.1), ("", "PA", 0.2), ("ROOM1", "PA", 0.3)))
    )
    limits_found = [limits.limit_of(NOISE, JudgedKind("quality", "CHEST", *of)) for of in (
        ("ROOM1", "PA"), ("ROOM2", "PA"), ("ROOM2", "AP"))]  # fmt: skip
    assert [one.least_strength for one in limits_found if one] == [0.3, 0.2, 0.1]
    assert limits.limit_of(CUT, JudgedKind("quality", "CHEST", "ROOM1", "PA")) is None


def test_a_limit_counts_for_its_package_and_body_part_alone() -> None:
    rows = (("any-radiograph", "KNEE", 0.1), ("any-radiograph", "", 0.2), ("quality", "", 0.3))
    limits = SiteLimits(3, tuple(RoomLimit(NOISE, "", "", at, package, part) for package, part, at in rows))

    def strength(package: str, part: str) -> float | None:
        limit = limits.limit_of(NOISE, JudgedKind(package, part, "ROOM1", "PA", is_left=package == "any-radiograph"))
        return None if limit is None else limit.least_strength

    assert [strength("any-radiograph", part) for part in ("KNEE", "HAND")] == [0.1, 0.2]
    assert [strength(package, "CHEST") for package in ("quality", "classical")] == [0.3, None]


def test_limits_of_earlier_versions_name_no_package_and_are_about_the_quality_package(policy: Policy) -> None:
    limits = SiteLimits(3, (RoomLimit(NOISE, "ROOM1", "PA", 0.99),), NOW, "mara")
    with_limits, strict = (replace(policy, site_limits=of) for of in (limits, SiteLimits()))
    chest, other = assessed(1, 0.97), replace(assessed(2, 0.97), has_figures=True)
    assert [decide(chest, of).flagged for of in (strict, with_limits)] == [True, False]
    assert [decide(other, of).flagged for of in (strict, with_limits)] == [True, True]


def test_experimental_images_of_another_package_steer_nothing(database: Database, policy: Policy) -> None:
    """60 chests, then 45 noisy knees of the same room and view that the package for any radiograph judged."""
    for number in range(60):
        keep(database, assessed(number, 0.9 if number < 3 else 0.1), number)
    for number in range(100, 145):
        keep(database, knee(number, 0.95, experimental="no figures"), number)
    with database.begin() as transaction:
        made = propose_limits(transaction, policy, 0.08, NOW)
        assert made.proposal is not None
        assert made.proposal.images == 60
        site_limits.confirm(transaction, made.number, "mara", "", NOW, second_look=True)
        with_limits = policy.with_limits(site_limits.current(transaction))
    noisy = assessed(300, 0.6)
    assert decide(noisy, policy).verdict is Verdict.REVIEW
    assert decide(noisy, with_limits).verdict is Verdict.REVIEW, "limits of noisy knees would accept it"
    keep(database, assessed(301, 0.1), 301)
    with database.begin() as transaction:
        again = propose_limits(transaction, policy, 0.08, NOW)
    assert again.proposal is not None
    assert {(one.limit.room, one.limit.least_strength) for one in again.proposal.limits} == {
        (one.limit.room, one.limit.least_strength) for one in made.proposal.limits
    }, "whether the newest image is a knee or a chest changes nothing"


def test_parts_with_figures_get_limits_of_their_own_beside_the_chest(database: Database, policy: Policy) -> None:
    own = policy.trusting()
    for number in range(60):
        keep(database, assessed(number, 0.3 + number / 400), number)
    for number in range(100, 145):
        keep(database, knee(number, 0.7 + number / 1000, has_figures=True), number)
    for number in range(200, 205):
        keep(database, knee(number, 0.9, "HAND", has_figures=True), number)
    with database.begin() as transaction:
        made = propose_limits(transaction, own, 0.1, NOW).proposal
    assert made is not None
    assert (made.images, made.parts, made.known_parts) == (
        110, {"CHEST": 60, "KNEE": 45, "HAND": 5}, ("CHEST", "KNEE"),
    )  # fmt: skip
    noise = {one.limit.where: one.limit.least_strength for one in made.limits if one.limit.finding == NOISE}
    chest, bone = Place("quality", "CHEST", "ROOM1", "PA"), Place("any-radiograph", "KNEE", "ROOM1", "PA")
    assert set(noise) == {chest, bone, Place("quality"), Place("any-radiograph")}
    assert noise[bone] > 0.75
    assert noise[chest] < 0.5


def test_packages_with_too_few_images_keep_the_limits_of_the_policy(policy: Policy) -> None:
    few = [replace(image(n, 0.9, room="R"), package="any-radiograph", is_left=True) for n in range(10)]
    by_policy = [replace(one, by_policy=frozenset({NOISE})) for one in few[:2]]
    made = propose([*(image(n, 0.3) for n in range(60)), *few[2:], *by_policy], [NOISE], 0.08)
    assert {one.limit.package for one in made.limits} == {"quality"}
    assert made.flagged - sum(one.flagged for one in made.limits[:1]) == 2, "those that the policy flags"


def test_limits_end_the_silence_of_the_parts_that_they_are_about(database: Database, policy: Policy) -> None:
    """A knee that came five minutes ago goes on being silent, whichever limits are confirmed."""
    for number in range(45):
        keep(database, assessed(number, 0.3), number)
    with database.begin() as transaction:
        site_limits.begin_part(transaction, "CHEST", NOW - timedelta(days=2))
        site_limits.begin_part(transaction, "KNEE", NOW - timedelta(minutes=5))
        number = propose_limits(transaction, policy, 0.08, NOW).number
        site_limits.confirm(transaction, number, "mara", "first limits", NOW, second_look=True)
        silence = site_limits.silence(transaction, 7)
        site_limits.withdraw(transaction, "anna", "", NOW + timedelta(hours=1))
        later = site_limits.silence(transaction, 7)
    assert silence.why("CHEST", NOW) == later.why("CHEST", NOW + timedelta(hours=2)) == ""
    assert (silence.starts["CHEST"].actor, silence.starts["CHEST"].comment) == ("mara", "first limits")
    assert "KNEE are silent" in silence.why("KNEE", NOW)


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


def test_what_the_budget_needs_of_an_assessment(policy: Policy) -> None:
    of = budget_image(assessed(1, 0.7, cut=0.9), policy)
    assert of is not None
    assert of.strengths == {NOISE: pytest.approx(0.99 * 0.7)}
    assert (of.room, of.view, of.always, of.before) == ("ROOM1", "PA", True, True)
    ct = replace(assessed(2, 0.7), header=header(2, modality="CT"))
    assert budget_image(ct, policy) is None


def test_a_proposal_of_the_store_changes_nothing_until_it_is_confirmed(database: Database, policy: Policy) -> None:
    for number in range(60):
        keep(database, assessed(number, 0.3 + number / 100), number)
    keep(database, replace(assessed(99, 0.9, sha256="cd" * 32), assessed_at=NOW - timedelta(days=9)), 99)
    with database.begin() as transaction:
        proposal = propose_limits(transaction, policy, 0.1, NOW)
        assert site_limits.current(transaction) == SiteLimits()
    assert proposal.proposal is not None
    assert proposal.proposal.images == 60, "another model's image is no part of it"
    assert proposal.proposal.flagged <= 6
    with database.begin() as transaction:
        site_limits.confirm(transaction, proposal.number, "mara", "after the first week", NOW, second_look=True)
        current = site_limits.current(transaction)
    assert (current.number, current.actor, current.confirmed_at) == (proposal.number, "mara", NOW)
    assert current.limits == tuple(one.limit for one in proposal.proposal.limits)
    flagged = sum(decide(assessed(n, 0.3 + n / 100), policy.with_limits(current)).flagged for n in range(60))
    assert flagged == proposal.proposal.flagged


def test_sets_are_kept_and_only_a_new_one_can_be_confirmed(database: Database, policy: Policy) -> None:
    for number in range(45):
        keep(database, assessed(number, 0.5), number)
    later = datetime(2026, 2, 1, tzinfo=UTC)
    with database.begin() as transaction:
        first, second = (propose_limits(transaction, policy, share, NOW).number for share in (0.05, 0.1))
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
