"""One exposure with several images is counted once, in whatever order they come; a doubt counts as two."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.instance import Derivation, InstanceDigest
from miqa_node.features.analysis.rows import census, rollup
from miqa_node.runtime.store.database import Database, Transaction
from miqa_node.runtime.store.tables import acquisition_findings, acquisitions
from miqa_node.stages.units.rows import exposures, instances
from tests.features.analysis.rows.test_analysis import NOON, put, row
from tests.runtime.store.making import NOW

PLAIN: dict[str, Any] = {"image_type": ("ORIGINAL", "PRIMARY"), "presentation_intent_type": "FOR PRESENTATION"}
DERIVED = PLAIN | {"image_type": ("DERIVED", "PRIMARY")}
RAW = PLAIN | {"presentation_intent_type": "FOR PROCESSING"}
SOFT = DERIVED | {"image_type": ("DERIVED", "PRIMARY", "SOFT"), "derivation": Derivation.ENERGY}
BONE = DERIVED | {"image_type": ("DERIVED", "PRIMARY", "BONE"), "derivation": Derivation.ENERGY}
STITCHED = DERIVED | {"derivation": Derivation.STITCHED}
EVENT, OTHER = {"irradiation_event_uids": ("1.2.3",)}, {"irradiation_event_uids": ("1.2.34",)}
BOTH = {"irradiation_event_uids": ("1.2.3", "1.2.34")}
EXACT = {"is_acquired_at": True}
LATER = {"at": NOON + timedelta(hours=3)}
SIZE, LARGE = {"rows": 2000, "columns": 2000}, {"rows": 5000, "columns": 2000}

ONE = {
    "dual energy of one event": [PLAIN | EVENT, SOFT | EVENT, BONE | EVENT],
    "dual energy of two events": [PLAIN | EVENT | SIZE, SOFT | BOTH | SIZE, BONE | BOTH | SIZE],
    "dual energy at one second": [PLAIN | EXACT, SOFT | EXACT, BONE | EXACT],
    "suppressed later, of the event": [PLAIN | EVENT | EXACT, DERIVED | EVENT | EXACT | LATER],
    "raw and shown": [RAW | EXACT, DERIVED | EXACT],
    "raw and shown, one event": [RAW | EVENT, PLAIN | EVENT],
    "from its source": [PLAIN, DERIVED | LATER | {"source_instance_uid": "1.2.3.1"}],
    "without a view": [PLAIN | EVENT, SOFT | EVENT | {"view_position": ""}],
    "stitched, raw and shown": [STITCHED | BOTH, STITCHED | BOTH | {"presentation_intent_type": "FOR PROCESSING"}],
}
TWO = {
    "two events": [PLAIN | EVENT | EXACT, DERIVED | OTHER | EXACT],
    "two originals at one second": [PLAIN | EXACT, PLAIN | EXACT],
    "another second": [PLAIN | EXACT, DERIVED | EXACT | {"at": NOON + timedelta(seconds=1)}],
    "a minute": [PLAIN, DERIVED],
    "another station": [PLAIN | EXACT, DERIVED | EXACT | {"station_name": "ROOM2"}],
    "no station": [PLAIN | EXACT | {"station_name": ""}, DERIVED | EXACT | {"station_name": ""}],
    "another detector": [PLAIN | EXACT | {"detector_id": "A"}, DERIVED | EXACT | {"detector_id": "B"}],
    "another side": [PLAIN | EVENT | {"image_laterality": "L"}, DERIVED | EVENT | {"image_laterality": "R"}],
    "another view": [PLAIN | EVENT, DERIVED | EVENT | {"view_position": "LL"}],
    "another patient": [PLAIN | EVENT, DERIVED | EVENT | {"patient": 2}],
    "one event for all": [PLAIN | EVENT | EXACT, PLAIN | EVENT | EXACT | LATER],
    "stitched beside a part": [PLAIN | EVENT, STITCHED | BOTH],
    "stitched without saying so": [PLAIN | EVENT | SIZE, DERIVED | BOTH | LARGE],
    "stitched at one second": [PLAIN | EXACT, STITCHED | EXACT],
    "two stitched": [STITCHED | EXACT | BOTH, STITCHED | EXACT | BOTH],
}


def _counted(transaction: Transaction) -> int:
    return transaction.execute(sa.select(sa.func.count()).select_from(acquisitions)).scalar_one()


def _put(transaction: Transaction, images: list[dict[str, Any]], order: tuple[int, ...]) -> dict[int, InstanceDigest]:
    return {n: put(transaction, n + 1, **images[n]) for n in order}


@pytest.mark.parametrize("name", ONE)
def test_images_of_one_exposure_count_once_in_any_order(name: str, database: Database) -> None:
    images = ONE[name]
    for number, order in enumerate(permutations(range(len(images)))):
        with database.begin() as transaction:
            shifted = [one | {"patient": one.get("patient", 1) + number} for one in images]
            made = {n: put(transaction, 10 * number + n + 1, **_moved(shifted[n], 10 * number)) for n in order}
            assert _counted(transaction) == number + 1, order
            if name.startswith("stitched"):
                continue
            plain = min(made, key=lambda n: (images[n] in (RAW | EXACT, RAW | EVENT), n))
            row(transaction, made[plain])
            uid = instances.load(transaction, made[plain]).header.sop_instance_uid
            for n, digest in made.items():
                expected = None if n == plain else uid
                assert exposures.plain_of(transaction, instances.load(transaction, digest)) == expected


def _moved(image: dict[str, Any], by: int) -> dict[str, Any]:
    """The image with other UIDs, for another patient."""
    moved = dict(image)
    if "irradiation_event_uids" in image:
        moved["irradiation_event_uids"] = tuple(f"{uid}.{by}" for uid in image["irradiation_event_uids"])
    if "source_instance_uid" in image:
        moved["source_instance_uid"] = f"1.2.3.{by + 1}"
    return moved


@pytest.mark.parametrize("images", TWO.values(), ids=TWO)
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_doubt_counts_as_two(order: tuple[int, ...], images: list[dict[str, Any]], database: Database) -> None:
    with database.begin() as transaction:
        _put(transaction, images, order)
        assert _counted(transaction) == 2


THIRD = {"irradiation_event_uids": ("1.2.345",)}
ALL = {"irradiation_event_uids": ("1.2.3", "1.2.34", "1.2.345")}


@pytest.mark.parametrize("made", [STITCHED, DERIVED, PLAIN], ids=["stitched", "derived", "without saying so"])
def test_a_leg_that_is_composed_of_three_exposures_counts_as_three(made: dict[str, Any], database: Database) -> None:
    """In any order; as long as one of them is missing, the composition shows one that nothing else shows."""
    images = [PLAIN | EVENT | SIZE, PLAIN | OTHER | SIZE, PLAIN | THIRD | SIZE, made | ALL | LARGE]
    for number, order in enumerate(permutations(range(4))):
        with database.begin() as transaction:
            shifted = [_moved(one, 10 * number) | {"patient": 1 + number} for one in images]
            for n in order[:3]:
                put(transaction, 10 * number + n + 1, **shifted[n])
            assert _counted(transaction) == 3 * (number + 1), order
            put(transaction, 10 * number + order[3] + 1, **shifted[order[3]])
            assert _counted(transaction) == 3 * (number + 1), order


def test_an_exposure_is_not_a_repeat_of_itself_and_its_repeat_is_one(database: Database) -> None:
    again = {"irradiation_event_uids": ("1.2.9",), "at": NOON + timedelta(minutes=4)}
    with database.begin() as transaction:
        late = {"at": NOON + timedelta(minutes=1)}
        soft, plain = put(transaction, 1, **SOFT | EVENT | late), put(transaction, 2, **PLAIN | EVENT)
        assert not row(transaction, plain).repeated
        other = put(transaction, 3, **PLAIN | again)
        put(transaction, 4, **BONE | again)
        assert (row(transaction, plain).repeated, row(transaction, other).repeated) == (True, False)
        assert _counted(transaction) == 2
        digests = transaction.execute(sa.select(acquisition_findings.c.digest)).scalars()
        assert soft not in set(digests)


def test_the_days_are_counted_again_without_the_derived_image(database: Database) -> None:
    """The derived image was counted on a day of its own, before the plain one came."""
    tomorrow = NOON + timedelta(days=1)
    with database.begin() as transaction:
        put(transaction, 1, **SOFT | EVENT | {"at": tomorrow}, arrived=NOW + timedelta(days=2))
        assert _days(transaction) == {tomorrow.date(): 1}
        put(transaction, 2, **PLAIN | EVENT)
        assert _days(transaction) == {NOON.date(): 1}


def _days(transaction: Transaction) -> dict[Any, int]:
    rollup.refresh(transaction, NOW)
    period = census.Period(NOON.date(), NOON.date() + timedelta(days=7))
    return {day: counts.images for day, counts in census.by_day(transaction, period)}
