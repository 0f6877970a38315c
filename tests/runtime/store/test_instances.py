"""What is written down about instances, on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pydicom
import pytest
import sqlalchemy as sa
from pydicom.data import get_testdata_file

from miqa_node.core.domain.assessment import Assessment, Measurement, ModelIdentity
from miqa_node.core.domain.codes import MOTION_BLUR
from miqa_node.core.domain.delivery import ResultKind, ResultObject
from miqa_node.core.domain.finding import Finding, FindingName, GateClass
from miqa_node.core.domain.verdict import Disposition, Reason, Verdict
from miqa_node.core.taxonomy.lookup import reason_code
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.errors import NotFoundError
from miqa_node.features.worklist.rows import history, worklist
from miqa_node.runtime.store import documents, tables
from miqa_node.runtime.store.database import Database
from miqa_node.stages.deliver.rows import deliveries
from miqa_node.stages.units.rows import instances
from miqa_node.stages.units.rows.instances import Novelty
from tests.parts import results_of
from tests.runtime.store.making import NOW, digest, header, received, study


def put(database: Database, number: int, content: object, study_number: int = 1) -> Novelty:
    of = digest(content)
    with database.begin() as transaction:
        return instances.record(
            transaction, header(number, study_number), study(study_number), received(of), f"instances/{of[:2]}/{of}.dcm"
        )


def test_same_bytes_are_a_duplicate_and_other_bytes_a_conflict(database: Database) -> None:
    assert put(database, 1, "a") is Novelty.NEW
    assert put(database, 1, "a") is Novelty.DUPLICATE
    assert put(database, 1, "b") is Novelty.CONFLICTING
    assert put(database, 1, "b") is Novelty.DUPLICATE
    assert put(database, 2, "c") is Novelty.NEW
    with database.begin() as transaction:
        assert [instances.load(transaction, digest(c)).conflicting for c in "abc"] == [False, True, False]


def test_header_and_time_come_back_as_they_were(database: Database) -> None:
    put(database, 1, "a")
    with database.begin() as transaction:
        stored = instances.load(transaction, digest("a"))
    assert stored.header == header(1)
    assert stored.received_at == NOW


def test_any_uid_finds_the_instances(database: Database) -> None:
    put(database, 1, "a")
    put(database, 2, "b")
    put(database, 3, "c", study_number=2)
    with database.begin() as transaction:
        assert set(instances.find(transaction, "1.2.5.1")) == {digest("a"), digest("b")}
        assert instances.find(transaction, "1.2.3.3") == [digest("c")]
        assert instances.find(transaction, digest("b")) == [digest("b")]
        assert instances.find(transaction, "1.2.9") == []
        with pytest.raises(NotFoundError):
            instances.load(transaction, digest("x"))


def test_an_assessment_comes_back_whole_and_the_first_stays(database: Database) -> None:
    put(database, 1, "a")
    name = FindingName.MOTION_BLUR
    assessment = Assessment(
        digest("a"),
        header(1),
        datetime(2026, 1, 2, tzinfo=UTC),
        findings=(Finding(name, reason_code(name), 0.9, 0.5, 0.4),),
        gate={GateClass.BLANK: 0.01},
        measurements=(Measurement("entropy", 6.5, "bit"),),
        score=55.0,
        model=ModelIdentity("quality", "1.2.3", "0" * 64),
        steps=("decoded",),
        timings_ms={"infer": 3.0},
    )
    with database.begin() as transaction:
        instances.save_assessment(transaction, assessment)
        instances.save_assessment(transaction, Assessment(digest("a"), header(1), NOW, not_assessed="other"))
        assert instances.load_assessment(transaction, digest("a")) == assessment
        assert instances.load_assessment(transaction, digest("b")) is None


def test_assessments_are_small_on_disk_and_those_stored_as_text_are_read(database: Database) -> None:
    put(database, 1, "a")
    put(database, 2, "b")
    measurements = tuple(Measurement(f"entropy_{n}", 6.5, "bit") for n in range(100))
    small = Assessment(digest("a"), header(1), NOW, measurements=measurements)
    with database.begin() as transaction:
        instances.save_assessment(transaction, small)
        as_text = json.dumps(documents.dump_assessment(replace(small, digest=digest("b"))))
        values = {"digest": digest("b"), "document": as_text, "at": str(NOW.replace(tzinfo=None))}
        transaction.execute(sa.text(AS_TEXT), values)
        query = sa.text(f"SELECT digest, {SIZE[database.engine.dialect.name]} AS size FROM assessments")
        sizes = {row.digest: row.size for row in transaction.execute(query)}
        assert instances.load_assessment(transaction, digest("a")) == small
        assert instances.load_assessment(transaction, digest("b")) == replace(small, digest=digest("b"))
    assert sizes[digest("a")] < len(as_text) / 3


AS_TEXT = """INSERT INTO assessments (digest, document, model_name, model_version, model_sha256, assessed_at)
    VALUES (:digest, :document, '', '', '', :at)"""
SIZE = {"sqlite": "length(CAST(document AS BLOB))", "postgresql": "pg_column_size(document)"}


def test_a_disposition_is_given_once(database: Database) -> None:
    put(database, 1, "a")
    reasons = (Reason("motion_blur", "Motion blur: probability 0.90", MOTION_BLUR, Verdict.REJECT),)
    disposition = Disposition(Verdict.REJECT, reasons, "p1", "chest")
    attention = Disposition(Verdict.NOT_ASSESSED, (), "p1", "", attention=True)
    with database.begin() as transaction:
        assert instances.save_disposition(transaction, digest("a"), "1.2.5.1", disposition, NOW)
        assert not instances.save_disposition(transaction, digest("a"), "1.2.5.1", attention, NOW)
        assert instances.load_disposition(transaction, digest("a")) == disposition
        assert instances.count(transaction).verdicts == {"REJECT": 1}
    put(database, 2, "b")
    with database.begin() as transaction:
        instances.save_disposition(transaction, digest("b"), "1.2.5.1", attention, NOW)
        assert instances.load_disposition(transaction, digest("b")) == attention


def test_attempts_are_counted_from_the_first_even_when_the_work_is_not_finished(database: Database) -> None:
    put(database, 1, "a")
    attempts = []
    for hours in range(3):
        with database.begin() as transaction:
            attempts.append(instances.begin_attempt(transaction, digest("a"), NOW + timedelta(hours=hours)))
    assert attempts == [(1, NOW), (2, NOW), (3, NOW)]


def test_an_attempt_after_one_that_does_not_count_is_the_first(database: Database) -> None:
    put(database, 1, "a")
    later = NOW + timedelta(days=1)
    with database.begin() as transaction:
        instances.begin_attempt(transaction, digest("a"), NOW)
        instances.take_back_attempt(transaction, digest("a"))
        assert instances.begin_attempt(transaction, digest("a"), later) == (1, later)


def test_attempts_of_an_earlier_version_have_no_time(database: Database) -> None:
    put(database, 1, "a")
    with database.begin() as transaction:
        transaction.execute(sa.insert(tables.attempts).values(digest=digest("a"), begun=1))
        assert instances.begin_attempt(transaction, digest("a"), NOW) == (2, NOW)


def test_writers_at_the_same_time_lose_nothing(database: Database) -> None:
    def write(base: int) -> None:
        for i in range(20):
            put(database, base + i, base + i)

    threads = [threading.Thread(target=write, args=(base,)) for base in (100, 200, 300, 400)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.begin() as transaction:
        assert instances.count(transaction).received == 80


def test_dates_and_texts_that_a_header_should_not_hold_do_not_keep_an_image_out(
    database: Database, tmp_path: Path
) -> None:
    """PostgreSQL refuses long values and zero bytes where SQLite takes both."""
    ds = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
    odd = {
        "StudyDate": "2004.01.19",  # as ACR-NEMA 2.0 wrote dates
        "StationName": "ROOM\0 1",
        "PatientID": "A\0" + "1" * 300,
        "BodyPartExamined": "CHE\0ST",
    }
    for keyword, value in odd.items():
        setattr(ds, keyword, "")
        ds[keyword]._value = value
    ds.save_as(tmp_path / "odd.dcm")
    head, record = read_header(tmp_path / "odd.dcm")
    assert record.study_date == "20040119"
    with database.begin() as transaction:
        instances.record(transaction, head, record, received(digest("odd")), "instances/od/odd.dcm")
        assert instances.load(transaction, digest("odd")).header == head


def test_rows_with_names_that_nobody_knows_any_more_are_read(database: Database) -> None:
    name = "patient_motion"
    put(database, 1, "a")
    of = digest("a")
    finding = Finding(FindingName("motion_blur"), MOTION_BLUR, 0.9, 0.5, 0.5)
    assessment = Assessment(of, header(1), NOW, findings=(finding,), measurements=(Measurement("sharpness", 1.0, "1"),))
    reason = Reason("motion_blur", "Motion blur", MOTION_BLUR, Verdict.REVIEW)
    result = ResultObject("1.2.9", "1.2.840.10008.5.1.4.1.1.88.34", ResultKind("SR"), "results/aa/1.dcm")
    with database.begin() as transaction:
        instances.save_assessment(transaction, assessment)
        disposition = Disposition(Verdict.REVIEW, (reason,), "1", "all", attention=True)
        instances.save_disposition(transaction, of, header(1).study_instance_uid, disposition, NOW)
        deliveries.record_result(transaction, of, result, NOW)
        deliveries.queue(transaction, result, "PACS", NOW)
        worklist.flag(transaction, header(1).study_instance_uid, Verdict.REVIEW, NOW)
    with database.begin() as transaction:  # the rows of a version, or of a package or plug-in, that is gone
        for table, column in ((tables.assessments, "document"), (tables.dispositions, "reasons")):
            old = transaction.execute(sa.select(table.c[column])).scalar_one()
            new = json.loads(json.dumps(old).replace("motion_blur", name).replace("sharpness", name))
            transaction.execute(sa.update(table).values({column: new}))
        transaction.execute(sa.update(tables.results).values(kind=name))
    with database.begin() as transaction:
        shown, reread = instances.load_assessment(transaction, of), instances.load_disposition(transaction, of)
        assert shown is not None
        assert reread is not None
        assert str(shown.findings[0].name) == reread.reasons[0].name == name
        assert [str(one.kind) for one in results_of(transaction, of)] == [name]
        assert len(deliveries.of_instance(transaction, of)) == 1
        worklist.flag(transaction, header(1).study_instance_uid, Verdict.REJECT, NOW)
        assert worklist.show(transaction, header(1).study_instance_uid).images[0].reasons == ("Motion blur",)
        assert history.of_uid(transaction, of, limit=1)[0].assessment is not None
