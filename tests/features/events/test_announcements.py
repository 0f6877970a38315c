"""What webhooks are told, and when: decisions about images in, events in the outbox out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.codes import MOTION_BLUR, OTHER_FAILURE
from miqa_node.core.domain.delivery import EventNotice
from miqa_node.core.domain.event import EventOrigin, EventType
from miqa_node.core.domain.judgement import Judgement
from miqa_node.core.domain.verdict import SPOT_CHECK, Disposition, Reason, Verdict
from miqa_node.core.domain.worklist import Resolution
from miqa_node.features.worklist.rows import worklist
from miqa_node.runtime.store import result_index, upkeep
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.tables import events
from miqa_node.stages.deliver.rows import deliveries, delivery_jobs
from miqa_node.stages.deliver.rows.announcements import Announcer, body_of
from miqa_node.stages.units.kinds import NOT_IMAGE_MODALITIES, is_image
from miqa_node.stages.units.rows import instances
from tests.parts import results_of
from tests.runtime.store.making import NOW, digest, header, received, study
from tests.stages.deliver.receiver import PAGE

QUIET_S = 60.0
LATER = NOW + timedelta(seconds=QUIET_S)
REASON = {
    Verdict.REVIEW: (Reason("motion_blur", "Motion blur", MOTION_BLUR, Verdict.REVIEW),),
    Verdict.REJECT: (Reason("motion_blur", "Motion blur", MOTION_BLUR, Verdict.REJECT),),
}


class Desk:
    """Receives and decides images of one study as the pipeline does."""

    def __init__(self, database: Database, listeners: Callable[[EventType], list[str]]) -> None:
        self.database = database
        origin = EventOrigin("node", "site", "https://miqa.example")
        self.announcer = Announcer(listeners, origin, QUIET_S, NOT_IMAGE_MODALITIES)

    def receive(self, number: int, **values: Any) -> None:
        announcement = {"has_pixels": True, "rows": 9, "columns": 9} | values
        with self.database.begin() as transaction:
            instances.record(
                transaction, header(number, **announcement), study(), received(digest(number)), f"k/{number}"
            )

    def decide(self, number: int, verdict: Verdict, at: datetime = NOW, *, audited: bool = False, **more: Any) -> None:
        disposition = Disposition(verdict, more.pop("reasons", REASON.get(verdict, ())), "p1", "all", **more)
        audited_disposition = (
            Disposition(verdict, (SPOT_CHECK,), "p1", "all", attention=True) if audited else disposition
        )
        with self.database.begin() as transaction:
            instance = instances.load(transaction, digest(number))
            assessment = Assessment(digest(number), instance.header, at)
            instances.save_disposition(
                transaction, digest(number), instance.header.study_instance_uid, audited_disposition, at
            )
            if audited_disposition.flagged:
                worklist.flag(transaction, instance.header.study_instance_uid, verdict, at)
            judgement = Judgement(instance, assessment, disposition)
            self.announcer.decided(transaction, judgement, at, is_image=is_image(instance.header))

    def image(self, number: int, verdict: Verdict, at: datetime = NOW, **more: Any) -> None:
        self.receive(number)
        self.decide(number, verdict, at, **more)

    def look(self, at: datetime = LATER) -> int:
        with self.database.begin() as transaction:
            return self.announcer.look(transaction, at)

    def told(self, *kinds: EventType) -> list[dict[str, Any]]:
        """Bodies of the events in the outbox, in the order in which they came about."""
        expected = kinds or tuple(kind for kind in EventType if kind != EventType.IMAGE_ASSESSED)
        with self.database.begin() as transaction:
            rows = deliveries.load_where(transaction, events.c.event_type.in_(expected))
            bodies = [json.loads(body_of(transaction, row.uid)) for row in rows]
        return sorted(bodies, key=lambda body: body["data"]["sequence"])

    def types(self) -> list[str]:
        return [body["type"].removeprefix("study.") for body in self.told()]


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database, lambda _kind: ["ris"])


def test_a_flagged_image_is_told_at_once_and_a_worse_one_again(desk: Desk) -> None:
    desk.image(1, Verdict.ACCEPT)
    assert desk.types() == []
    desk.image(2, Verdict.REVIEW)
    desk.image(3, Verdict.REVIEW, NOW + timedelta(seconds=1))
    assert desk.types() == ["flagged"]
    desk.image(4, Verdict.REJECT, NOW + timedelta(seconds=2))
    assert desk.types() == ["flagged", "flagged"]
    first, second = desk.told()
    assert first["data"]["image"]["sop_instance_uid"] == "1.2.3.2"
    assert first["data"]["study"]["images"] == {"ACCEPT": 1, "REVIEW": 1, "REJECT": 0, "NOT_ASSESSED": 0}
    assert (first["data"]["study"]["verdict"], second["data"]["study"]["verdict"]) == ("REVIEW", "REJECT")
    assert second["data"]["image"]["reasons"][0]["code"]["value"] == "111210"
    assert desk.look() == 0, "it never passes"


def test_a_study_passes_once_it_is_quiet_and_once_only(desk: Desk) -> None:
    desk.image(1, Verdict.ACCEPT)
    desk.image(2, Verdict.NOT_ASSESSED, NOW + timedelta(seconds=30))
    assert desk.look() == 0, "the last verdict is half a minute old"
    assert desk.look(LATER + timedelta(seconds=30)) == 1
    (event,) = desk.told()
    assert event["type"] == "study.passed"
    assert event["data"]["image"] is None
    assert event["data"]["study"]["images"] == {"ACCEPT": 1, "REVIEW": 0, "REJECT": 0, "NOT_ASSESSED": 1}
    desk.image(3, Verdict.ACCEPT, LATER)
    assert desk.look(LATER + timedelta(hours=1)) == 0
    desk.image(4, Verdict.REJECT, LATER)
    assert desk.types() == ["passed", "flagged"], "a late image may flag it still"


def test_what_waits_for_its_verdict_holds_the_study_back(desk: Desk) -> None:
    desk.receive(2)
    desk.image(1, Verdict.ACCEPT)
    assert desk.look() == 0
    assert desk.look(LATER + timedelta(days=1)) == 0
    desk.decide(2, Verdict.ACCEPT, LATER)
    assert desk.look(LATER + timedelta(seconds=QUIET_S)) == 1


def test_reports_in_the_study_are_no_images(desk: Desk) -> None:
    desk.image(1, Verdict.ACCEPT)
    desk.receive(2, modality="SR", has_pixels=False)  # waits for ever, as far as this test goes
    assert desk.look() == 1
    assert desk.told()[0]["data"]["study"]["waiting_images"] == 0
    desk.decide(2, Verdict.NOT_ASSESSED)
    assert len(desk.told(*tuple(EventType))) == 2


def test_nothing_that_could_be_judged_is_no_pass(desk: Desk) -> None:
    desk.image(1, Verdict.NOT_ASSESSED)
    assert desk.look() == 0
    assert desk.types() == []


def test_an_accepted_image_that_people_must_look_at_is_flagged(desk: Desk) -> None:
    pending = Reason("low_confidence", "A prediction waits", OTHER_FAILURE, Verdict.ACCEPT)
    desk.image(1, Verdict.ACCEPT, reasons=(pending,), attention=True)
    assert desk.types() == ["flagged"]
    assert desk.look() == 0


def test_what_people_decide_is_told_and_a_study_that_opens_again_is_flagged_again(desk: Desk) -> None:
    desk.image(1, Verdict.REJECT)
    with desk.database.begin() as transaction:
        worklist.resolve(transaction, "1.2.5.1", Resolution.ACCEPTED, "mara", "Mr Doe could not hold still", NOW)
    assert desk.look(NOW) == 1, "at once: people wait for no quiet"
    assert desk.types() == ["flagged", "resolved"]
    event = desk.told()[1]
    assert (event["data"]["resolution"], event["data"]["image"]) == ("accepted", None)
    assert "Doe" not in json.dumps(event)
    assert "mara" not in json.dumps(event)
    assert desk.look() == 0
    desk.image(2, Verdict.ACCEPT, LATER)
    assert desk.look(LATER + timedelta(days=1)) == 0, "people decided about it, it does not pass by itself"
    desk.image(3, Verdict.REVIEW, LATER)
    assert desk.types() == ["flagged", "resolved", "flagged"]


def test_a_study_that_opens_again_before_anybody_looked_is_flagged_again(desk: Desk) -> None:
    desk.image(1, Verdict.REVIEW)
    with desk.database.begin() as transaction:
        worklist.resolve(transaction, "1.2.5.1", Resolution.DISMISSED, "mara", "", NOW)
    desk.image(2, Verdict.REVIEW, NOW + timedelta(seconds=1))
    desk.look(LATER + timedelta(days=1))
    assert desk.types() == ["flagged", "flagged"]


def test_that_an_image_is_drawn_for_an_audit_is_told_nobody(desk: Desk) -> None:
    desk.image(1, Verdict.ACCEPT, audited=True)
    with desk.database.begin() as transaction:
        worklist.resolve(transaction, "1.2.5.1", Resolution.DISMISSED, "mara", "", NOW)
    assert desk.look(NOW) == 0, "the study is not quiet yet"
    assert desk.look() == 1
    assert desk.types() == ["passed"]
    assert "audit" not in json.dumps(desk.told(*tuple(EventType)))


def test_every_image_is_told_to_those_who_ask_for_it(database: Database) -> None:
    desk = Desk(database, lambda kind: ["log"] if kind == EventType.IMAGE_ASSESSED else [])
    desk.image(1, Verdict.ACCEPT)
    desk.image(2, Verdict.REJECT)
    assert desk.look() == 0
    assert [body["data"]["image"]["verdict"] for body in desk.told(*tuple(EventType))] == ["ACCEPT", "REJECT"]


def test_without_listeners_nothing_is_written(database: Database) -> None:
    desk = Desk(database, lambda _kind: [])
    desk.image(1, Verdict.REJECT)
    assert desk.look() == 0
    assert desk.told(*tuple(EventType)) == []


def test_an_event_names_no_patient_and_links_to_where_more_is(desk: Desk) -> None:
    desk.image(1, Verdict.REJECT)
    (event,) = desk.told()
    links = event["data"]["study"]["links"]
    assert links["page"] == "https://miqa.example/studies/1.2.5.1"
    assert links["instances"] == "https://miqa.example/api/v1/instances/1.2.5.1"
    assert links["results"] == "https://miqa.example/api/dicom-web/studies/1.2.5.1/instances"
    record = study()
    for private in (record.accession_number, record.patient_id, record.patient_name, record.study_date):
        assert private not in json.dumps(event)


def test_the_example_of_the_documentation_has_the_shape_of_an_event(desk: Desk) -> None:
    def shape(value: object) -> object:
        if isinstance(value, dict):
            return {key: shape(one) for key, one in value.items()}
        return [shape(one) for one in value] if isinstance(value, list) else None

    desk.image(1, Verdict.REJECT)
    (event,) = desk.told()
    _body, example = re.findall(r"```json\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    shown = json.loads(example)
    shown["data"]["image"]["model"] = None  # no model judged here
    assert shape(shown) == shape(event)


def test_events_are_no_dicom_objects(desk: Desk) -> None:
    desk.image(1, Verdict.REJECT)
    with desk.database.begin() as transaction:
        assert results_of(transaction, digest(1)) == []
        assert result_index.search(transaction, {}) == []
        items = [row.item for row in deliveries.of_instance(transaction, digest(1))]
        assert {item.event_type if isinstance(item, EventNotice) else None for item in items} == {
            EventType.IMAGE_ASSESSED,
            EventType.STUDY_FLAGGED,
        }


def test_a_pause_of_the_node_is_an_event_about_no_image_told_once_and_so_is_its_end(database: Database) -> None:
    desk, other = (Desk(database, lambda _kind: ["pager"]) for _ in range(2))
    other.announcer = Announcer(lambda _kind: ["pager"], EventOrigin("other", "site", "https://other.example"), QUIET_S)

    def judges(of: Desk, reason: str, minute: int) -> None:
        with database.begin() as transaction:
            of.announcer.node_judges(transaction, reason, NOW + timedelta(minutes=minute))

    judges(desk, "", 0)  # what never paused does not go on
    judges(desk, "A test image cannot be judged.", 1)
    judges(other, "", 2)
    judges(desk, "3 images failed alike.", 3)  # as after a restart
    judges(desk, "", 4)
    judges(desk, "", 5)
    with database.begin() as transaction:
        jobs = delivery_jobs.select(transaction, delivery_jobs.DeliveryFilter(), limit=9)
        assert delivery_jobs.count(transaction, delivery_jobs.DeliveryFilter()) == 2
        bodies = [json.loads(body_of(transaction, job.sop_instance_uid)) for job in jobs]
    assert [(job.kind, job.study_instance_uid) for job in jobs] == [("node.resumed", ""), ("node.paused", "")]
    assert bodies[1]["data"] == {
        "node": "node",
        "site": "site",
        "reason": "A test image cannot be judged.",
        "links": {"status": "https://miqa.example/operations"},
    }
    with database.begin() as transaction:
        assert upkeep.forget_events(transaction, NOW + timedelta(days=9), 9) == 0, "they wait for the pager"
    desk_off = Desk(database, lambda _kind: [])
    judges(desk_off, "It judges nothing.", 6)
    with database.begin() as transaction:
        assert delivery_jobs.count(transaction, delivery_jobs.DeliveryFilter()) == 2
