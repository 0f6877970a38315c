"""Results are found alike on SQLite and on PostgreSQL, by what their headers say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydicom import Dataset
from pydicom.uid import UID, Comprehensive3DSRStorage

from miqa_node.core.domain.delivery import ResultKind, ResultObject
from miqa_node.core.domain.instance import SopInstanceUid
from miqa_node.core.domain.search_keys import SEARCH_KEYS, SearchLevel
from miqa_node.errors import QueryError
from miqa_node.runtime.store import result_index, tables
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.disk import DiskObjects
from miqa_node.stages.deliver.rows import deliveries
from miqa_node.stages.units.rows import instances
from tests.runtime.store.making import NOW, digest, header, received, study
from tests.stages.deliver.making import as_file, report


def keep(database: Database, objects: DiskObjects, number: int = 1, **values: object) -> str:
    """Keep a report whose header has these values; its UID."""
    ds = report(Comprehensive3DSRStorage)
    ds.SOPInstanceUID, ds.StudyInstanceUID, ds.SeriesInstanceUID = f"2.25.{number}", "1.2.5.1", f"1.2.4.{number}"
    ds.file_meta.MediaStorageSOPInstanceUID = UID(ds.SOPInstanceUID)
    ds.SpecificCharacterSet = "ISO_IR 192"
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    key = f"results/aa/{number}.dcm"
    objects.put(key, as_file(ds)[2])
    with database.begin() as transaction:
        instances.record(transaction, header(1), study(1), received(digest(1)), "instances/aa/b.dcm")
        result = ResultObject(f"2.25.{number}", str(ds.SOPClassUID), ResultKind("SR"), key)
        deliveries.record_result(transaction, digest(1), result, NOW)
    return f"2.25.{number}"


def find(database: Database, objects: DiskObjects, **query: str) -> set[str]:
    assert result_index.complete(database, objects, 9.0)
    with database.begin() as transaction:
        return {one.sop_instance_uid for one in result_index.search(transaction, query)}


@pytest.fixture
def objects(tmp_path: Path) -> DiskObjects:
    return DiskObjects(tmp_path / "objects")


def test_identifiers_match_letter_by_letter(database: Database, objects: DiskObjects) -> None:
    keep(database, objects, PatientID="ID1")
    for pattern in ("ID1", "I*", "?D1"):
        assert find(database, objects, PatientID=pattern) == {"2.25.1"}, pattern
    for pattern in ("id1", "i*", "I[A-Z]1", "I[A-Z]*", "I_1", "I_*", "I%", "\\ID1", "\\I*"):
        assert find(database, objects, PatientID=pattern) == set(), pattern


def test_brackets_in_an_identifier_stand_for_themselves(database: Database, objects: DiskObjects) -> None:
    keep(database, objects, PatientID="I[D]%", AccessionNumber="A[1]_")
    assert find(database, objects, PatientID="I[D]*") == {"2.25.1"}
    assert find(database, objects, AccessionNumber="?[1]?") == {"2.25.1"}


MATCHES: list[tuple[dict[str, str], bool]] = [
    ({"PatientName": "ΜΑΡΊΑ*"}, True),
    ({"PatientName": "Μαρία"}, False),
    ({"StudyTime": "0930"}, True),
    ({"StudyTime": "09-10"}, True),
    ({"StudyTime": "093001-"}, False),
    ({"StudyTime": "-0929"}, False),
    ({"StudyDate": "20260102-20260103"}, True),
    ({"PatientBirthDate": "-20260101"}, False),
    ({"SeriesNumber": "+3"}, True),
    ({"ModalitiesInStudy": "KO"}, True),
    ({"ModalitiesInStudy": "SEG"}, False),
    ({"Modality": "K*"}, False),
]


def test_keys_match_by_their_value_representation(database: Database, objects: DiskObjects) -> None:
    keep(database, objects, PatientName="Μαρία^Ελένη", StudyTime="093000", StudyDate="20260102", SeriesNumber=3)
    keep(database, objects, 2, Modality="KO", PatientName="X")
    for query, uids in MATCHES:
        assert ("2.25.1" in find(database, objects, **query)) is uids, query


def items(*values: tuple[str, str]) -> list[Dataset]:
    """Items of Request Attributes Sequence with a step and a procedure; an empty value is absent."""
    sequence = [Dataset() for _ in values]
    for item, (step, procedure) in zip(sequence, values, strict=True):
        if step:
            item.ScheduledProcedureStepID = step
        if procedure:
            item.RequestedProcedureID = procedure
    return sequence


STEP, PROCEDURE = (f"RequestAttributesSequence.{name}" for name in ("ScheduledProcedureStepID", "RequestedProcedureID"))
IN_ONE_ITEM: list[tuple[str, str, set[str]]] = [
    ("STEP1", "RP1", {"2.25.1"}),
    ("STEP1", "RP2", set()),
    ("STEP2", "RP*", {"2.25.1"}),
    ("STEP?", "RP3", set()),
    ("AX*", "*", {"2.25.2"}),
    ("A*B", "", set()),
    ("*", "A*B", set()),
    ("YB", "R3", {"2.25.2"}),
    ("AX", "R3", set()),
    ('Q"', "R'", {"2.25.3"}),
    ("[", "R", {"2.25.3"}),
    ("", "R", {"2.25.3"}),
]


@pytest.mark.parametrize(("step", "procedure", "matches"), IN_ONE_ITEM)
def test_all_keys_of_a_sequence_match_within_one_item(
    database: Database, objects: DiskObjects, step: str, procedure: str, matches: set[str]
) -> None:
    """PS3.4 C.2.2.2.6; a value may be absent from an item, and no pattern reaches from one item into the next."""
    keep(database, objects, 1, RequestAttributesSequence=items(("STEP1", "RP1"), ("", "RP3"), ("STEP2", "RP2")))
    keep(database, objects, 2, RequestAttributesSequence=items(("AX", ""), ("", "AX"), ("YB", "R3"), ("", "YB")))
    keep(database, objects, 3, RequestAttributesSequence=items(('Q"', "R'"), ("[", "R")))
    keep(database, objects, 4)
    assert find(database, objects, **{STEP: step, PROCEDURE: procedure}) == matches
    with database.begin() as transaction:
        query = {STEP: step, PROCEDURE: procedure}
        assert result_index.count(transaction, query, SearchLevel.INSTANCE) == len(matches)


NONSENSE = (
    "ZZ", "ZZ*", "*ZZ", "?ZZ?", "ZZ^YY", "ZZ,YY", "ZZ\\YY", "ZZ-", "-ZZ", "ZZ-YY", "ZZ=YY", "=ZZ", "==ZZ", "ZZ^*=*",
    "^", "^^^^", "=", "==", "=^=", "^=", ",", "\\", ",,", "-", "--", "_", "%", "%ZZ%", "[A-Z]*", "[^Z]*", "]", "';--",
    "' OR ''='", '"', "(", ".", "+", "+-1", "0x1", "1e0", "-1", "777", "777-", "1.2.777", "1.2.777,1.2.778",
    "19000101", "19000101-19000102", "-19000101", "99990101-", "235959.999999", "2359-2359", "\u017f", "\u0130",
    "\ud7ff", "\x7f", "ZZ" * 600,
)  # fmt: skip
"""Values that no attribute of the object below has."""


@pytest.mark.parametrize("keyword", SEARCH_KEYS)
def test_nonsense_finds_nobody_by_any_key(database: Database, objects: DiskObjects, keyword: str) -> None:
    """Either it is refused or it matches nothing; what is ignored would answer with other patients."""
    item = Dataset()
    item.ScheduledProcedureStepID, item.RequestedProcedureID = "STEP1", "RP1"
    full = {
        "StudyDate": "20260102", "StudyTime": "093000", "AccessionNumber": "ACC", "PatientName": "Doe^Jane",
        "ReferringPhysicianName": "Curie^Marie", "PatientID": "ID1", "StudyID": "S1", "PatientBirthDate": "19700203",
        "PatientSex": "F", "StudyDescription": "Chest", "Modality": "CR", "SeriesNumber": 3, "InstanceNumber": 4,
        "PerformedProcedureStepStartDate": "20260102", "PerformedProcedureStepStartTime": "093100",
        "SeriesDescription": "PA", "RequestAttributesSequence": [item],
    }  # fmt: skip
    keep(database, objects, 1, **full)
    keep(database, objects, 2)
    matches = {}
    for value in NONSENSE:
        try:
            matches[value] = find(database, objects, **{keyword: value})
        except QueryError:
            matches[value] = set()
    assert {value: uids for value, uids in matches.items() if uids} == {}


def test_studies_and_series_are_counted_as_a_whole(database: Database, objects: DiskObjects) -> None:
    for number in (1, 2, 3):
        keep(database, objects, number, Modality=("SR", "KO", "KO")[number - 1], SeriesInstanceUID=f"1.9.{number // 2}")
    assert result_index.complete(database, objects, 9.0)
    with database.begin() as transaction:
        [one] = result_index.search_groups(transaction, {"SOPInstanceUID": "2.25.3"}, SearchLevel.STUDY, limit=9)
        assert (one.modalities, one.series, one.instances) == (("KO", "SR"), 2, 3)
        assert one.newest.sop_instance_uid == "2.25.3"
        pages = [
            [(group.newest.series_instance_uid, group.instances) for group in groups]
            for offset in (0, 1, 2)
            if (groups := result_index.search_groups(transaction, {}, SearchLevel.SERIES, limit=1, offset=offset))
        ]
        assert pages == [[("1.9.0", 1)], [("1.9.1", 2)]]
        assert [result_index.count(transaction, {}, level) for level in SearchLevel] == [1, 2, 3]


def test_results_whose_bytes_are_gone_are_not_found_and_hold_nothing_up(
    database: Database, objects: DiskObjects, tmp_path: Path
) -> None:
    keep(database, objects)
    (tmp_path / "objects" / "results" / "aa" / "1.dcm").unlink()
    assert find(database, objects) == set()


def receive(database: Database, objects: DiskObjects, number: int, **values: object) -> None:
    """Receive an object whose header has these values."""
    ds = report(Comprehensive3DSRStorage)
    ds.SOPInstanceUID, ds.StudyInstanceUID, ds.SeriesInstanceUID = f"1.2.3.{number}", "1.2.5.1", "1.2.4.1"
    ds.Modality = "CR"
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    key = f"instances/aa/{number}.dcm"
    objects.put(key, as_file(ds)[2])
    with database.begin() as transaction:
        instances.record(transaction, header(number), study(1), received(digest(number)), key)


def test_received_objects_are_found_as_long_as_they_are_kept(database: Database, objects: DiskObjects) -> None:
    made = keep(database, objects, PatientID="ID1")
    receive(database, objects, 11, PatientID="ID1", SeriesNumber=4)
    receive(database, objects, 12, PatientID="ID2")
    with database.begin() as transaction:  # the report comes back from the PACS: it is there once
        again = replace(header(13), sop_instance_uid=SopInstanceUid(made))
        instances.record(transaction, again, study(1), received(digest(13)), "results/aa/1.dcm")
    assert result_index.complete_sources(database, objects, 9.0)
    assert find(database, objects, PatientID="ID1") == {made, "1.2.3.11"}
    assert find(database, objects, Modality="CR", SeriesNumber="4") == {"1.2.3.11"}
    assert find(database, objects, ReferencedSOPInstanceUID="1.2.3.1") == {made}
    assert find(database, objects, ModalitiesInStudy="CR") == {made, "1.2.3.11", "1.2.3.12"}
    with database.begin() as transaction:
        assert [result_index.count(transaction, {}, level) for level in SearchLevel] == [1, 1, 3]
        [group] = result_index.search_groups(transaction, {}, SearchLevel.STUDY, limit=9)
        assert (group.modalities, group.instances) == (("CR", "SR"), 3)
        gone = sa.update(tables.instances).where(tables.instances.c.sop_instance_uid == "1.2.3.12")
        transaction.execute(gone.values(removed_at=NOW))
    assert find(database, objects) == {made, "1.2.3.11"}
    with database.begin() as transaction:
        gone = sa.update(tables.instances).where(tables.instances.c.sop_instance_uid.like("1.2.3.1_"))
        transaction.execute(gone.values(removed_at=NOW))
    assert find(database, objects, ModalitiesInStudy="CR") == set()  # no longer a modality of what the node holds


def test_an_object_without_series_is_neither_found_nor_counted(database: Database, objects: DiskObjects) -> None:
    receive(database, objects, 11)
    receive(database, objects, 12, SeriesInstanceUID="", Modality="XA")
    assert result_index.complete_sources(database, objects, 9.0)
    assert find(database, objects, ModalitiesInStudy="XA") == set()
    with database.begin() as transaction:
        [group] = result_index.search_groups(transaction, {}, SearchLevel.STUDY, limit=9)
    assert (group.modalities, group.series, group.instances) == (("CR",), 1, 1)


def test_a_header_that_breaks_the_library_is_found_by_nothing_and_holds_nothing_up(
    database: Database, objects: DiskObjects
) -> None:
    objects.put("instances/aa/9.dcm", b"no DICOM")
    with database.begin() as transaction:
        instances.record(transaction, header(9), study(1), received(digest(9)), "instances/aa/9.dcm")
    receive(database, objects, 1, PatientID="A\0B")
    assert result_index.complete_sources(database, objects, 9.0)
    assert find(database, objects) == {"1.2.3.1"}
