"""The log of phantoms: baselines, limits, changes, signatures, on pages, over REST, as CSV and on the command line."""

from __future__ import annotations

import csv
import html
import io
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from miqa_node.core.domain.access import Role
from miqa_node.core.language.catalogue import spoken
from miqa_node.errors import ConflictError, NotFoundError
from miqa_node.features.phantoms.form import number_of
from miqa_node.features.phantoms.history import PhantomHistory, QualityLevel, ValueLimits
from miqa_node.features.phantoms.rows import log, records, scans
from miqa_node.features.phantoms.tables import phantom_scans, phantom_values
from miqa_node.features.retention.rows import erasure
from miqa_node.runtime.people import accounts
from miqa_node.runtime.store.database import Database
from miqa_node.stages.units.rows import instances
from tests.features.phantoms.log_making import PIU, PSG, WHY, key, only_history, scan
from tests.web.people import ORIGIN, signed_in
from tests.web.staging import Stage, csrf

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def history(database: Database) -> PhantomHistory:
    with database.begin() as transaction:
        return log.load(transaction, only_history(database))


def limit(database: Database, name: str = PIU, *, everywhere: bool = False, **edges: float) -> None:
    of = only_history(database)
    four: dict[str, float | None] = dict.fromkeys(("low", "high", "warn_reach", "fail_reach")) | edges
    with database.begin() as transaction:
        limits = ValueLimits("acr_mr_large", "" if everywhere else of, name, **four, actor="mara", at=NOW)
        records.set_limits(transaction, limits)


def test_a_baseline_is_the_median_of_the_first_scans_and_nothing_is_judged_without_a_limit(database: Database) -> None:
    for number, piu in enumerate((95.0, 95.2, 94.8, 95.1, 94.9, 70.0, 60.0)):
        scan(database, number, {PIU: piu})
    one = history(database)
    assert [one.baseline(PIU, index) for index in (0, 6)] == [95.0, 95.0]
    assert {one.level(PIU, index) for index in range(7)} == {QualityLevel.UNJUDGED}
    limit(database, warn_reach=20.0, fail_reach=30.0)
    one = history(database)
    assert [one.level(PIU, index).value for index in (4, 5, 6)] == ["pass", "warn", "fail"]
    limit(database, low=65.0)
    assert [history(database).level(PIU, index).value for index in (5, 6)] == ["pass", "fail"]
    limit(database)
    assert history(database).level_of_scan() is QualityLevel.UNJUDGED, "limits without a number are taken away"


def test_limits_of_one_history_go_before_those_of_its_kind_and_of_all_slices(database: Database) -> None:
    scan(
        database, 1, {"geometric_accuracy_mm.slice_1_vertical": 189.0, "geometric_accuracy_mm.max_absolute_error": 1.0}
    )
    limit(database, "geometric_accuracy_mm", everywhere=True, low=188.0, high=192.0)
    one = history(database)
    assert one.level("geometric_accuracy_mm.slice_1_vertical") is QualityLevel.PASS
    assert one.level("geometric_accuracy_mm.max_absolute_error") is QualityLevel.UNJUDGED, "an error is no length"
    limit(database, "geometric_accuracy_mm.slice_1_vertical", low=190.0)
    assert history(database).level_of_scan() is QualityLevel.FAIL


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        ({"software_versions": "V1"}, {"software_versions": "V2"}, "Software"),
        ({"coil": "Head 20"}, {"coil": "Head 32"}, "Coil"),
        ({"modality": "CT", "coil": "", "tube": "A 17"}, {"modality": "CT", "coil": "", "tube": "A 18"}, "Tube"),
    ],
)
def test_an_exchange_begins_a_new_baseline(
    database: Database, before: dict[str, Any], after: dict[str, Any], what: str
) -> None:
    for number, (piu, has) in enumerate(((95.0, before), (95.0, before), (90.0, after), (90.0, after))):
        scan(database, number, {PIU: piu}, **has)
    one = history(database)
    assert [(change.index, change.what) for change in one.changes] == [(2, what)]
    assert (one.baseline(PIU, 1), one.baseline(PIU, 3)) == (95.0, 90.0)


def test_a_header_that_does_not_name_a_coil_is_no_exchange(database: Database) -> None:
    for number, coil in enumerate(("Head 20", "", "Head 20")):
        scan(database, number, {PIU: 95.0}, coil=coil)
    assert history(database).changes == ()


def test_another_phantom_protocol_or_machine_has_a_row_of_its_own(database: Database) -> None:
    scan(database, 1, {PIU: 95.0})
    scan(database, 2, {PIU: 95.0}, kind="acr_mr_medium")
    scan(database, 3, {PIU: 95.0}, protocol_name="ACR T2")
    scan(database, 4, {PIU: 95.0}, detector_id="SN8")
    scan(database, 5, {PIU: 95.0}, station_name="MR1 RENAMED")
    with database.begin() as transaction:
        rows = log.all_of(transaction)
    assert sorted(len(one.scans) for one in rows) == [1, 1, 1, 2], "the serial number tells a machine, not its station"


def test_what_a_person_noted_begins_a_new_baseline_until_it_is_taken_back(database: Database) -> None:
    for number in range(4):
        scan(database, number, {PIU: 95.0})
    one = history(database)
    with database.begin() as transaction:
        records.note_change(transaction, one.machine, one.scans[2].acquired_at.date(), "new phantom", "mara", NOW)
    one = history(database)
    assert [(change.index, change.what, change.actor) for change in one.changes] == [(2, "new phantom", "mara")]
    with database.begin() as transaction:
        with pytest.raises(NotFoundError):
            records.forget_change(transaction, "another machine", one.noted[0].change_id)
        records.forget_change(transaction, one.machine, one.noted[0].change_id)
    assert history(database).changes == ()


def test_judged_again_replaces_values_and_says_that_it_was_signed_before(database: Database) -> None:
    scan(database, 1, {PIU: 95.0, PSG: 0.1})
    with database.begin() as transaction:
        records.sign(transaction, key(1), "mara", "fine", NOW)
    assert [one.is_of_before for one in history(database).last.signatures] == [False]
    scan(database, 1, {PIU: 96.0})
    last = history(database).last
    assert (dict(last.numbers), [one.is_of_before for one in last.signatures]) == ({PIU: 96.0}, [True])


def test_judged_again_a_scan_without_a_time_keeps_its_place(database: Database) -> None:
    scan(database, 1, {PIU: 95.0}, acquired_at=None)
    first_at = history(database).last.acquired_at
    scan(database, 2, {PIU: 94.0}, acquired_at=None)
    scan(database, 1, {PIU: 96.0}, acquired_at=None)
    one = history(database)
    assert [(scan.key, dict(scan.numbers)) for scan in one.scans] == [(key(1), {PIU: 96.0}), (key(2), {PIU: 94.0})]
    assert one.scans[0].acquired_at == first_at


def test_values_of_a_patient_are_withdrawn_and_not_deleted(database: Database) -> None:
    digest = scan(database, 1, {PIU: 95.0})
    name = only_history(database)
    with database.begin() as transaction:
        header = instances.load(transaction, digest).header
        scans.withdraw(transaction, header, NOW)
        assert log.count(transaction) == 0
        with pytest.raises(NotFoundError):
            log.load(transaction, name)
        with pytest.raises(NotFoundError):
            records.sign(transaction, key(1), "mara", "", NOW)
        [withdrawn] = log.withdrawn_scans(transaction, name)
        assert (withdrawn.numbers, withdrawn.withdrawn_at) == ({PIU: 95.0}, NOW)
        scans.restore(transaction, header)
    assert history(database).last.numbers == {PIU: 95.0}


def test_erasing_the_patient_leaves_values_and_who_signed_and_takes_free_text(database: Database) -> None:
    scan(database, 1, {PIU: 95.0})
    with database.begin() as transaction:
        records.sign(transaction, key(1), "mara", "Erika's phantom", NOW)
        erasure.erase(transaction, "ID1", "request", "ada", NOW)
    last = history(database).last
    assert (dict(last.numbers), last.origin.words) == ({PIU: 95.0}, "MR1")
    assert [(one.actor, one.at, one.comment) for one in last.signatures] == [("mara", NOW, "")]
    assert (last.origin.protocol, last.origin.description) == ("", "")


@pytest.mark.parametrize(
    ("edges", "name"),
    [
        ({"low": 90.0, "high": 80.0}, PIU),
        ({"low": math.nan}, PIU),
        ({"high": math.inf}, PIU),
        ({"warn_reach": -1.0}, PIU),
        ({"low": 80.0}, "piu_prcent"),
        ({"low": 80.0}, "piu"),
    ],
)
def test_limits_that_judge_every_value_alike_or_none_are_refused(
    database: Database, edges: dict[str, Any], name: str
) -> None:
    scan(database, 1, {PIU: 85.0})
    with pytest.raises((ConflictError, NotFoundError)):
        limit(database, name, **edges)
    assert history(database).limits == []
    limit(database, name)


def test_a_change_of_a_machine_has_words(database: Database) -> None:
    scan(database, 1, {PIU: 85.0})
    machine = history(database).machine
    with database.begin() as transaction:
        with pytest.raises(ConflictError):
            records.note_change(transaction, machine, NOW.date(), "  ", "mara", NOW)
        records.note_change(transaction, machine, NOW.date(), " new tube ", "mara", NOW)
    assert [one.what for one in history(database).noted] == ["new tube"]


# ── pages and programs ──


@pytest.fixture
def filled(stage: Stage) -> str:
    """Three scans, the last with a value that could not be measured; returns the name of their history."""
    database = stage.services.database
    for number in range(3):
        scan(database, number, {PIU: 95.0 - number, PSG: None if number == 2 else 0.1})
    return only_history(database)


def test_the_log_has_one_row_for_a_machine_and_protocol(client: TestClient, filled: str) -> None:
    page = client.get("/phantoms").text
    assert page.count(f'href="/phantoms/log/{filled}"') == 1
    for text in (
        "MR1",
        "ACR T1 axial: ACR T1, TE 20 ms",
        "ACR MR phantom, large",
        "3 scans",
        "No limit is shipped",
        "1 of 1 rows",
    ):
        assert text in page, text
    row = " ".join(page[page.index("<tbody>") : page.index("</tbody>")].split())
    assert "Uniformity (PIU) <span" in row
    assert ">93" in row
    assert 'Ghosting (PSG) <span class="warn" title="Ghosting (PSG)">not measured' in row, (
        "what the last scan lacks is not left out"
    )


def test_the_page_of_a_row_shows_where_values_were_read_and_why_others_were_not(
    client: TestClient, filled: str
) -> None:
    page = client.get(f"/phantoms/log/{filled}").text
    assert f"Not measured: {WHY}" in page
    assert page.count('<polyline class="region"') == 1
    assert 'href="/phantoms/slices/' in page
    earlier = client.get(f"/phantoms/log/{filled}", params={"series": key(0).series_instance_uid}).text
    assert "Scan of 2026-03-02" in earlier
    assert str(WHY) not in earlier
    assert client.get("/phantoms/log/0123456789abcdef").status_code == 404


def test_each_of_two_studies_with_one_uid_of_a_series_has_its_own_page(stage: Stage, client: TestClient) -> None:
    database = stage.services.database
    for number in range(2):
        scan(database, number, {PIU: 95.0 - number}, series_instance_uid="1.2.9")
    links = re.findall(
        r'href="(/phantoms/log/[^"]*stack=0)"', client.get(f"/phantoms/log/{only_history(database)}").text
    )
    pages = [client.get(html.unescape(link)).text for link in links]
    days = [re.findall("<h2>Scan of ([^:]*)", page) for page in pages]
    assert days == [["2026-03-09"], ["2026-03-02"]]
    for page, number in zip(pages, (1, 0), strict=True):
        assert f'name="study_uid" value="{key(number).study_instance_uid}"' in page


def test_a_scan_without_values_takes_no_unit_and_no_curve_from_the_others(stage: Stage, client: TestClient) -> None:
    database = stage.services.database
    scan(database, 0, {PIU: 95.0, "of_an_earlier_version": 1.0})
    scan(database, 1, {PIU: 94.0})
    scan(database, 2, {})
    name = only_history(database)
    rows = csv.DictReader(io.StringIO(client.get("/phantoms/log.csv").text))
    assert [(row["name"], row["unit"]) for row in rows] == [(PIU, "%"), ("of_an_earlier_version", "%"), (PIU, "%")]
    scans = client.get(f"/api/v1/phantoms/log/{name}").json()["scans"]
    assert {value["unit"] for one in scans for value in one["values"]} == {"%"}
    page = client.get(f"/phantoms/log/{name}").text
    assert "Uniformity (PIU) over time" in page
    assert f'<option value="{PIU}">' in page
    assert "of_an_earlier_version" not in page
    assert "not measured" in client.get("/phantoms").text


def test_the_baseline_of_a_long_history_stays_that_of_its_first_scans(stage: Stage, client: TestClient) -> None:
    database = stage.services.database
    scan(database, 0, {PIU: 95.0})
    copy_scan(database, 1200, 60.0)
    [first, *_, last] = list(csv.DictReader(io.StringIO(client.get("/phantoms/log.csv").text)))
    assert (first["baseline"], last["baseline"], last["baseline_since"]) == ("95", "95", "2026-03-02")
    copied = history(database)
    assert len(copied.scans) == 1201
    page = client.get(f"/phantoms/log/{copied.history}").text
    assert page.count('aria-label="Study of ') == 1000
    assert "The newest 1,000 of 1,201 scans; the CSV file has all." in page
    assert (
        "<h2>Scan of 2026-03-02"
        in client.get(f"/phantoms/log/{copied.history}", params={"series": key(0).series_instance_uid}).text
    )


def copy_scan(database: Database, count: int, piu: float) -> None:
    """Further scans, an hour after another, that share a slice; from the fifth on with this value."""
    with database.begin() as transaction:
        made = dict(transaction.execute(sa.select(phantom_scans)).mappings().one())
        value = dict(transaction.execute(sa.select(phantom_values)).mappings().one())
        for number in range(1, count + 1):
            of = {"study_instance_uid": f"1.9.{number}", "series_instance_uid": f"1.9.{number}"}
            at = made["acquired_at"] + timedelta(hours=number)
            transaction.execute(sa.insert(phantom_scans).values({**made, **of, "acquired_at": at}))
            transaction.execute(sa.insert(phantom_values).values({**value, **of, "value": 95.0 if number < 5 else piu}))


def test_csv_has_a_line_for_each_value(client: TestClient, filled: str) -> None:
    for path in ("/phantoms/log.csv", f"/phantoms/log.csv?history={filled}", "/api/v1/phantoms/log.csv"):
        rows = list(csv.DictReader(io.StringIO(client.get(path).text)))
        numbers = [(row["acquired_at"][:10], row["name"], row["value"], row["unit"], row["level"]) for row in rows]
        assert numbers[0] == ("2026-03-02", PIU, "95", "%", "no_limit")
        assert len(rows) == 5
        assert {row["baseline"] for row in rows if row["name"] == PIU} == {"94"}
    assert client.get("/api/v1/phantoms/log.csv?history=0123456789abcdef").status_code == 404


def test_programs_get_the_log_set_limits_and_sign(client: TestClient, filled: str) -> None:
    path = f"/api/v1/phantoms/log/{filled}"
    assert client.get("/api/v1/phantoms/log").json()["total"] == 1
    limits = {"name": PIU, "low": 94.5, "actor": "mara"}
    detail = client.post(f"{path}/limits", json=limits).json()
    assert [one["level"] for one in detail["scans"]] == ["pass", "fail", "fail"]
    assert [(one["actor"], one["low"]) for one in detail["limits"]] == [("mara", 94.5)]
    assert client.post(f"{path}/limits", json=limits | {"fail_reach": -1.0}).status_code == 422
    change = {"on_day": "2026-03-16", "what": "New tube", "actor": "mara"}
    detail = client.post(f"{path}/changes", json=change).json()
    assert [one["what"] for one in detail["row"]["changes"]] == ["New tube"]
    number = detail["machine_changes"][0]["change_id"]
    assert client.post(f"{path}/changes/{number}/remove", json={}).json()["row"]["changes"] == []
    signature = {"study_instance_uid": key(2).study_instance_uid, "actor": "mara", "comment": "weekly"}
    row = client.post(f"/api/v1/phantoms/{key(2).series_instance_uid}/signature", json=signature).json()
    assert [(one["actor"], one["comment"]) for one in row["last"]["signatures"]] == [("mara", "weekly")]
    assert client.post("/api/v1/phantoms/1.2.3/signature", json=signature).status_code == 404


def test_a_signature_is_of_who_has_signed_in_and_stays_when_the_account_goes(
    stage: Stage, connect: Callable[..., TestClient], filled: str
) -> None:
    browser = signed_in(stage, connect, "mara", Role.REVIEWER)
    last = key(2)
    form = {
        "study_uid": last.study_instance_uid,
        "series_uid": last.series_instance_uid,
        "csrf": csrf(browser, "/phantoms"),
    }
    assert browser.post("/phantoms/signatures", data=form | {"actor": "somebody"}, headers=ORIGIN).status_code == 403
    assert browser.post("/phantoms/signatures", data=form, headers=ORIGIN).status_code == 303
    assert "mara, " in browser.get("/phantoms").text
    limits = {"name": PIU, "low": "94,5", "csrf": form["csrf"]}
    path = f"/phantoms/log/{filled}"
    assert browser.post(f"{path}/limits", data=limits, headers=ORIGIN).status_code == 403, "an administrator's"
    change = {"on_day": "2026-03-16", "what": "New tube", "csrf": form["csrf"]}
    assert browser.post(f"{path}/changes", data=change, headers=ORIGIN).status_code == 303
    assert "A new baseline since 2026-03-16: New tube (said by mara)" in browser.get(path).text
    admin = signed_in(stage, connect, "ada", Role.ADMIN)
    token = csrf(admin, "/phantoms")
    assert admin.post(f"{path}/limits", data=limits | {"csrf": token}, headers=ORIGIN).status_code == 303
    assert "at least 94.5" in " ".join(admin.get(path).text.split())
    assert admin.post(f"{path}/limits", data=limits | {"csrf": token, "low": "x"}, headers=ORIGIN).status_code == 409
    with stage.services.database.begin() as transaction:
        accounts.set_disabled(transaction, "mara", "ada", datetime.now(UTC), disabled=True)
        [signature] = log.load(transaction, filled).last.signatures
    assert signature.actor == "mara"


def test_nobody_signs_values_that_were_measured_after_the_page_was_shown(
    stage: Stage, client: TestClient, filled: str
) -> None:
    page = client.get(f"/phantoms/log/{filled}").text
    form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page[page.index('id="sign"') :]))
    form["actor"] = "mara"
    scan(stage.services.database, 2, {PIU: 60.0})
    refused = client.post("/phantoms/signatures", data=form, headers=ORIGIN)
    assert refused.status_code == 409
    assert "measured again since you looked at it" in refused.text
    assert history(stage.services.database).last.signatures == ()
    form["measured_at"] = history(stage.services.database).last.measured_at.isoformat()
    assert client.post("/phantoms/signatures", data=form, headers=ORIGIN).status_code == 303
    assert [one.actor for one in history(stage.services.database).last.signatures] == ["mara"]


def test_numbers_of_people_have_a_comma_or_a_point() -> None:
    assert (number_of("0,5"), number_of("−2.5"), number_of("")) == (0.5, -2.5, None)
    for text in ("1e999", "x", "nan"):
        with pytest.raises(ConflictError):
            number_of(text)
    with pytest.raises(ConflictError):
        number_of("-1", least=0.0)


@pytest.mark.parametrize(("language", "mark", "other"), [("en", ".", ","), ("de", ",", ".")])
def test_a_typed_number_is_never_a_thousand_times_another(language: str, mark: str, other: str) -> None:
    with spoken(language):
        assert (number_of(f"1{mark}500"), number_of(f"-0{other}500"), number_of(f"94{other}5")) == (1.5, -0.5, 94.5)
        assert number_of(f"1\u202f374{mark}5") == 1374.5, "as pages write it"
        with pytest.raises(ConflictError, match="two ways"):
            number_of(f"1{other}500")
