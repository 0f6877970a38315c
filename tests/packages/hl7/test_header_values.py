"""Names, identifiers and dates of 300 odd headers mean in messages and bundles what they mean in the header.

Messages are read by python-hl7 and validated by hl7apy as they are made; bundles by fhir.resources and two validators
from npm.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import hl7
import pytest
from fhir.resources.bundle import Bundle as R5Bundle
from fhir.resources.R4B.bundle import Bundle as R4Bundle

from miqa_hl7.bundle import bundle_of
from miqa_hl7.message import message_of
from miqa_hl7.values import day
from miqa_node.dicom.bytes.headers import read_header
from tests.packages.hl7.fhir_making import resources, texts
from tests.packages.hl7.fhir_npm import faults
from tests.packages.hl7.making import AT, TEMPLATE, statement, subject
from tests.packages.hl7.odd_headers import DATES, IDS, ISSUERS, NAMES, OddHeader, odd_headers
from tests.packages.hl7.receiving import plain

pytestmark = pytest.mark.more
COUNT = 300


@pytest.fixture(scope="module")
def stated(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[OddHeader, Any]]:
    """Each header with its statement, by way of a file as the node reads it."""
    file = tmp_path_factory.mktemp("odd") / "odd.dcm"

    def of(one: OddHeader) -> Any:
        header, study = read_header(one.write(file))
        return statement(
            subject=subject(
                patient_id=study.patient_id, authority=study.authority or "", patient_name=study.patient_name,
                patient_birth_date=study.patient_birth_date, study_date=study.study_date, modality=header.modality,
            )
        )  # fmt: skip

    return [(one, of(one)) for one in odd_headers(COUNT)]


def test_the_headers_have_each_value(stated: list[tuple[OddHeader, Any]]) -> None:
    headers = [one for one, _ in stated]
    assert {one.name for one in headers} == {name for those in NAMES.values() for name, _ in those}
    assert {one.born for one in headers} == {one.on for one in headers} == set(DATES)
    assert {one.patient_id for one in headers} == set(IDS)
    assert {one.issuer for one in headers} == set(ISSUERS)


def test_messages_say_what_the_headers_say(stated: list[tuple[OddHeader, Any]]) -> None:
    for one, one_statement in stated:
        message = hl7.parse(message_of(one_statement, TEMPLATE).decode())
        (pid,), (obr,) = message["PID"], message["OBR"]
        assert tuple(map(str, pid[5])) == (one.names or ("^^^^^^U",)), one
        number = IDS[one.patient_id]
        authority = ISSUERS[one.issuer][0]
        assert str(pid[3]) == (f"{number}^^^{authority}".rstrip("^") if number else "^^^^U"), one
        assert (str(pid[7]) if len(pid) > 7 else "") == DATES[one.born], one
        assert str(obr[7]) == (DATES[one.on] if len(DATES[one.on]) == 8 else ""), "of a study a whole day is kept"
        assert not any(str(field) == '""' for segment in message for field in segment), one


def bundles(stated: list[tuple[OddHeader, Any]], release: str) -> Iterator[tuple[OddHeader, dict[str, Any]]]:
    return ((one, bundle_of(one_statement, release, {})) for one, one_statement in stated)


@pytest.mark.parametrize(("release", "model"), [("R5", R5Bundle), ("R4", R4Bundle)])
def test_bundles_say_what_the_headers_say(stated: list[tuple[OddHeader, Any]], release: str, model: Any) -> None:
    for one, bundle in bundles(stated, release):
        model.model_validate(bundle)
        (report,) = resources(bundle, "DiagnosticReport")
        identifier = report.get("subject", {}).get("identifier", {})
        assert identifier.get("value", "") == plain(IDS[one.patient_id]), one
        if identifier:
            named = identifier.get("system"), identifier.get("assigner", {}).get("display")
            assert named == ISSUERS[one.issuer][1:], one
        on = DATES[one.on]
        assert report.get("effectiveDateTime") == (f"{on[:4]}-{on[4:6]}-{on[6:]}" if len(on) == 8 else None), one
        assert '""' not in set(texts(bundle))


def test_bundles_of_r4_are_valid_to_two_validators_of_npm(stated: list[tuple[OddHeader, Any]]) -> None:
    assert faults([bundle for _, bundle in bundles(stated, "R4")]) == []


def test_each_day_of_the_calendar_stays_and_no_other() -> None:
    """All days that PS3.5 allows from the first year on, and what is no day of a month."""
    born, last = date(1800, 1, 1), datetime(2026, 1, 31)  # noqa: DTZ001 - a day
    while born <= last.date():
        assert day(f"{born:%Y%m%d}", last) == f"{born:%Y%m%d}"
        born += timedelta(days=1)
    for year in (1799, 1900, 2000, 2023, 2024):
        for month in range(14):
            for of_month in range(33):
                text = f"{year}{month:02}{of_month:02}"
                try:
                    is_day = year > 1799 and bool(date(year, month, of_month))
                except ValueError:
                    is_day = False
                assert day(text, AT) == (text if is_day else "")
