"""Results are found alike on SQLite and on PostgreSQL."""

from __future__ import annotations

import pytest

from miqa_node.domain.delivery import ResultKind, ResultObject
from miqa_node.store import deliveries, instances, result_index
from miqa_node.store.database import Database
from tests.unit.store.making import NOW, digest, header, received, study


@pytest.mark.parametrize(
    ("patient_id", "found"),
    [
        ("ID1", True),
        ("id1", False),
        ("I*", True),
        ("?D1", True),
        ("i*", False),
        ("I[A-Z]1", False),
        ("I_1", False),
        ("I%", False),
        ("\\ID1", False),
    ],
)
def test_identifiers_match_letter_by_letter(database: Database, patient_id: str, found: bool) -> None:
    result = ResultObject("2.25.1", "1.2.840.10008.5.1.4.1.1.88.34", ResultKind("SR"), "results/aa/1.dcm")
    with database.begin() as transaction:
        instances.record(transaction, header(1), study(1), received(digest(1)), "instances/aa/b.dcm")
        deliveries.record_result(transaction, digest(1), result, NOW)
        matching = result_index.find(transaction, result_index.ResultQuery(patient_id=patient_id), limit=9)
    assert [one.sop_instance_uid for one in matching] == ["2.25.1"] * found


def test_brackets_in_an_identifier_stand_for_themselves(database: Database) -> None:
    record = study(1)
    with database.begin() as transaction:
        odd = type(record)(record.study_instance_uid, "A[1]*", "I[D]%", "", "20260102", "")
        instances.record(transaction, header(1), odd, received(digest(1)), "instances/aa/b.dcm")
        result = ResultObject("2.25.1", "1.2.840.10008.5.1.4.1.1.88.34", ResultKind("SR"), "results/aa/1.dcm")
        deliveries.record_result(transaction, digest(1), result, NOW)
        for wanted in (
            result_index.ResultQuery(patient_id="I[D]*"),
            result_index.ResultQuery(accession_number="?[1]?"),
        ):
            assert len(result_index.find(transaction, wanted, limit=9)) == 1
