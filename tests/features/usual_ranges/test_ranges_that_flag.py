"""Ranges of series learn by themselves: of 20 over fourteen days, confirmed by a person, they flag what is noisier."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.assessment import Assessment, Measurement
from miqa_node.core.domain.audit import AuditEvent
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.instance import InstanceDigest, StoredInstance
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.usual_range import UsualRange
from miqa_node.core.domain.verdict import Reason, Verdict
from miqa_node.errors import ConflictError, NotFoundError, SettingsError
from miqa_node.features.usual_ranges.baseline import LEAST_SERIES
from miqa_node.features.usual_ranges.rows import baselines, confirmations
from miqa_node.features.usual_ranges.rows.baselines import ScannerBaseline
from miqa_node.runtime.site_records import confirmed_ranges
from miqa_node.runtime.store import documents
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.tables import audit_records
from miqa_node.stages.units.rows import instances
from miqa_node.stages.units.rows.machine_ranges import ranges_for
from tests.features.usual_ranges.ranges_making import FIRST_AT, look, measure, noises
from tests.policies import ACCEPT, policy_of

NOW = datetime(2026, 11, 20, tzinfo=UTC)
CHEST: dict[str, Any] = {
    "modality": "DX", "body_part_examined": "CHEST", "view_position": "PA", "station_name": "ROOM1",
    "sop_class_uid": "1.2.840.10008.5.1.4.1.1.1.1", "protocol_name": "Thorax pa", "convolution_kernel": "",
}  # fmt: skip
RULE: dict[str, Any] = {"measurement": "noise_share", "above": "usual", "then": "REVIEW", "reason": "noise"}
OF_CHESTS: dict[str, Any] = {"where": {"chest": {"modality": ["DX"]}}}


@pytest.fixture
def database() -> Iterator[Database]:
    database = Database.in_memory()
    yield database
    database.close()


def learn(database: Database, count: int, hours: float, **changed: Any) -> None:
    """So many series with ordinary noise."""
    for number, noise in enumerate(noises(count, level=10.0, spread=1.0)):
        measure(database, number, FIRST_AT + timedelta(hours=hours * number), {"ct_noise": noise}, **changed)
    look(database)


def only(database: Database) -> ScannerBaseline:
    with database.begin() as transaction:
        [listed] = baselines.page(transaction, NOW, limit=9)
        return baselines.load(transaction, listed.baseline, NOW)


def stored(database: Database, number: int, noise: float = 10.0, **changed: Any) -> StoredInstance:
    """A further series."""
    of = measure(database, number, FIRST_AT + timedelta(days=60), {"ct_noise": noise}, **changed)
    with database.begin() as transaction:
        return instances.load(transaction, of)


def ranges(database: Database, instance: StoredInstance, *, usual_now: bool = False) -> tuple[UsualRange, ...]:
    with database.begin() as transaction:
        return ranges_for(transaction, instance, usual_now=usual_now)


def confirm(database: Database) -> ScannerBaseline:
    with database.begin() as transaction:
        return confirmations.confirm(transaction, only(database).baseline, "mara", NOW)


def reasons(assessment: Assessment, policy: Policy) -> list[Reason]:
    return [one for one in decide(assessment, policy).reasons if one.verdict.flagged]


@pytest.mark.parametrize(
    ("count", "hours", "names"),
    [(20, 6.4, {"noise_share"}), (20, 6.2, set()), (19, 24, set()), (20, 18, {"noise_share", "grid_peak"})],
)
def test_noise_of_radiographs_is_usual_from_five_days_on_and_the_rest_from_fourteen(
    database: Database, count: int, hours: float, names: set[str]
) -> None:
    for number, noise in enumerate(noises(count, level=2.0, spread=0.2)):
        numbers = {"noise_share": noise, "grid_peak": 5.0}
        measure(database, number, FIRST_AT + timedelta(hours=hours * number), numbers, **CHEST)
    look(database)
    assert {one.measurement for one in only(database).ranges} == names
    assert LEAST_SERIES == 20


def test_what_a_room_learns_of_its_radiographs_is_not_confirmed_here(database: Database) -> None:
    for number, noise in enumerate(noises(30, level=2.0, spread=0.2)):
        measure(database, number, FIRST_AT + timedelta(hours=6 * number), {"noise_share": noise}, **CHEST)
    look(database)
    assert not only(database).may_be_confirmed
    with pytest.raises(ConflictError, match="is learned by each room"):
        confirm(database)


def test_a_range_flags_nothing_until_a_person_confirms_it(database: Database) -> None:
    learn(database, 30, 24)
    noisy = stored(database, 100, noise=45.0)
    assert ranges(database, noisy) == ()
    one = confirm(database)
    assert one.confirmation is not None
    assert (one.confirmation.actor, one.confirmation.confirmed_at) == ("mara", NOW)
    [usual] = ranges(database, noisy)
    assert (usual.measurement, usual.unit, usual.series) == ("ct_noise", "[hnsf'U]", 30)
    assert usual.low < 9.0
    assert 11.0 < usual.high < 45.0
    with database.begin() as transaction:
        of = audit_records.c
        query = sa.select(of.actor, of.detail).where(of.event == AuditEvent.POLICY_CHANGED.value)
        rows = transaction.execute(query).all()
    assert [(row.actor, json.loads(row.detail)["action"]) for row in rows] == [("mara", "usual ranges confirmed")]
    with pytest.raises(ConflictError, match="confirmed already"):
        confirm(database)


@pytest.mark.parametrize(("bad", "may_flag"), [(1, True), (2, False)])
def test_a_range_that_would_flag_more_than_the_budget_of_a_room_stays_a_hint(
    database: Database, bad: int, may_flag: bool
) -> None:
    """Ranges begin at twenty series, of which one alone is .05."""
    numbers = [*noises(30 - bad, level=10.0, spread=1.0), *[45.0] * bad]
    for number, noise in enumerate(numbers):
        measure(database, number, FIRST_AT + timedelta(days=number), {"ct_noise": noise})
    look(database)
    one = only(database)
    assert [(of.outside, of.within_budget) for of in one.ranges] == [(bad, may_flag)]
    assert (bool(one.over_budget), one.may_be_confirmed) == (not may_flag, may_flag)
    if may_flag:
        assert confirm(database).confirmation is not None
    else:
        with pytest.raises(ConflictError, match="more of its series are outside"):
            confirm(database)


def test_a_confirmed_range_flags_nothing_while_too_many_of_its_series_are_outside(database: Database) -> None:
    learn(database, 30, 24)
    confirm(database)
    noisy = stored(database, 100, noise=45.0)
    assert ranges(database, noisy)
    for number in range(101, 104):
        measure(database, number, FIRST_AT + timedelta(days=number - 60), {"ct_noise": 45.0})
    look(database)
    assert ranges(database, noisy) == (), "4 of 34"
    for number, noise in enumerate(noises(170, level=10.0, spread=1.0, seed=2), 200):
        measure(database, number, FIRST_AT + timedelta(days=50, hours=number), {"ct_noise": noise})
    look(database)
    assert [of.measurement for of in ranges(database, noisy)] == ["ct_noise"], "4 of 204 are within .02"


@pytest.mark.parametrize(
    "changed",
    [
        {"software_versions": "V2"},
        {"detector_id": "SN2"},
        {"protocol_name": "Thorax soft"},
        {"convolution_kernel": "B70f"},
        {"body_part_examined": "KNEE"},
    ],
)
def test_another_detector_software_processing_part_or_view_has_a_range_of_its_own(
    database: Database, changed: dict[str, Any]
) -> None:
    learn(database, 30, 24)
    confirm(database)
    assert ranges(database, stored(database, 100))
    assert ranges(database, stored(database, 101, **changed)) == ()


def test_a_confirmed_range_goes_on_learning(database: Database) -> None:
    learn(database, 30, 24)
    confirm(database)
    for number, noise in enumerate(noises(40, level=12.0, spread=1.0), 200):
        measure(database, number, FIRST_AT + timedelta(days=number - 160), {"ct_noise": noise})
    look(database)
    [usual] = ranges(database, stored(database, 300))
    assert usual.series == 70


def test_judged_again_the_ranges_of_the_judgement_before_count_unless_those_of_now_are_asked_for(
    database: Database,
) -> None:
    learn(database, 30, 24)
    before = UsualRange("ct_noise", "[hnsf'U]", 6.0, 14.0, 25, FIRST_AT)
    digest = measure(
        database, 100, FIRST_AT + timedelta(days=30), {"ct_noise": 10.0}, fields={"usual_ranges": (before,)}
    )
    confirm(database)
    with database.begin() as transaction:
        again = replace(instances.load(transaction, digest), generation=1)
        first = instances.load_assessment(transaction, digest)
    assert first is not None
    assert first.usual_ranges == (before,)
    assert ranges(database, again) == (before,)
    [now] = ranges(database, again, usual_now=True)
    assert now.series == 30


def test_withdrawn_ranges_are_hints_again(database: Database) -> None:
    learn(database, 30, 24)
    name = only(database).baseline
    with database.begin() as transaction, pytest.raises(ConflictError, match="not confirmed"):
        confirmations.withdraw(transaction, name, "mara", NOW)
    confirm(database)
    with database.begin() as transaction:
        assert confirmations.withdraw(transaction, name, "mara", NOW).confirmation is None
        assert confirmed_ranges.confirmation(transaction, name) is None
    assert ranges(database, stored(database, 100)) == ()


def test_what_cannot_flag_cannot_be_confirmed(database: Database) -> None:
    measure(database, 0, FIRST_AT, {"ct_noise": 10.0})
    look(database)
    with pytest.raises(ConflictError, match="no range yet"):
        confirm(database)
    with database.begin() as transaction, pytest.raises(NotFoundError):
        confirmations.confirm(transaction, "0" * 16, "mara", NOW)


@pytest.mark.parametrize(("noise", "is_flagged"), [(3.0, False), (3.01, True), (0.5, False)])
def test_what_is_noisier_than_usual_asks_for_review_with_value_and_range(noise: float, is_flagged: bool) -> None:
    usual = UsualRange("noise_share", "%", 1.0, 3.0, 40, FIRST_AT)
    assessment = chest(noise, usual)
    flags = reasons(assessment, policy_of(RULE, **OF_CHESTS))
    assert [(one.name, one.finding, one.verdict) for one in flags] == (
        [("noise_share", "noise", Verdict.REVIEW)] if is_flagged else []
    )
    for one in flags:
        text = "Noisier than this machine's usual images: Noise share of contrast 3.01 %, usual 1.0 % to 3.0 % in 40 "
        assert one.text.startswith(text[:60])
        assert "usual 1" in one.text
        assert one.text.endswith("in 40 images since 2026-03-02")
    assert not reasons(replace(assessment, usual_ranges=()), policy_of(RULE, **OF_CHESTS))
    silent = policy_of(ACCEPT, **OF_CHESTS)
    assert not reasons(assessment, silent), "a policy without the rule has hints"


def test_an_assessment_of_an_earlier_version_has_no_ranges() -> None:
    assessment = chest(9.0, UsualRange("noise_share", "%", 1.0, 3.0, 40, FIRST_AT))
    document = documents.dump_assessment(assessment)
    assert documents.load_assessment(document) == assessment
    del document["usual_ranges"]
    assert documents.load_assessment(document).usual_ranges == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"below": "usual"}, "two limits"),
        ({"then": "REJECT"}, "then is 'REJECT'; here it takes REVIEW, HINT"),
        ({"measurement": "metal_share"}, "has no usual range"),
        ({"reason": "No Name"}, "No Name"),
        ({"limit": 3}, "there is no key limit"),
    ],
)
def test_a_rule_that_cannot_be_followed_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        policy_of({**RULE, **change}, **OF_CHESTS)


def chest(noise: float, usual: UsualRange) -> Assessment:
    """A chest that a package judged, without any finding."""
    from tests.runtime.store.making import digest, header

    of = replace(header(1), modality="DX", body_part_examined="CHEST", view_position="PA")
    measured = (Measurement("noise_share", noise, "%"),)
    return Assessment(InstanceDigest(digest("one")), of, NOW, measurements=measured, usual_ranges=(usual,))
