"""The list of the log of phantoms: what fails and what is overdue first, found by words, and limits taken over."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from miqa_node.core.domain.phantom import PhantomKind
from miqa_node.features.phantoms import templates, work
from miqa_node.features.phantoms.history import DUE, PhantomHistory, ValueLimits
from miqa_node.features.phantoms.measure import measures_in_order
from miqa_node.features.phantoms.rows import log, records
from miqa_node.features.phantoms.tables import phantom_limits
from miqa_node.runtime.site_records import machine_concerns
from miqa_node.runtime.store.database import Database
from tests.features.phantoms.log_making import PIU, PSG, only_history, scan
from tests.web.people import ORIGIN
from tests.web.staging import Stage, csrf

SPOKES = "low_contrast_spokes.total"
NOW = datetime.now(UTC)
TODAY = NOW.replace(tzinfo=None)


def machine(database: Database, number: int, piu: float, days_ago: int = 1) -> None:
    scan(
        database, number, {PIU: piu, PSG: 0.1, SPOKES: 36.0}, at=TODAY - timedelta(days=days_ago),
        station_name=f"MR-{number:02d}", detector_id=f"SN{number}",
    )  # fmt: skip


def limit(database: Database, name: str, low: float | None, high: float | None, history: str = "") -> None:
    with database.begin() as transaction:
        records.set_limits(transaction, ValueLimits("acr_mr_large", history, name, low, high, None, None, "ada", NOW))


@pytest.fixture
def five(stage: Stage) -> Database:
    """Five machines of which the second is overdue and the fourth fails; the first is the newest."""
    database = stage.services.database
    for number, (piu, days) in enumerate([(95.0, 1), (94.0, 40), (93.0, 3), (80.0, 4), (92.0, 5)]):
        machine(database, number, piu, days)
    limit(database, PIU, 87.5, None)
    limit(database, DUE, None, 31)
    return database


def machines(page: str) -> list[str]:
    return re.findall(r"<strong>(MR-\d+)</strong>", page)


def test_what_fails_stands_first_then_what_is_overdue_then_the_newest(client: TestClient, five: Database) -> None:
    page = client.get("/phantoms").text
    assert machines(page) == ["MR-03", "MR-01", "MR-00"]
    assert machines(client.get("/phantoms?log_offset=3").text) == ["MR-02", "MR-04"]
    assert "1 row fails, 1 is overdue." in page
    first = page[page.index("<tbody>") : page.index("</tr>", page.index("<tbody>"))]
    assert ">Fail<" in first
    assert "Uniformity (PIU)" in first


def test_rows_are_found_by_state_kind_and_words(client: TestClient, five: Database) -> None:
    assert machines(client.get("/phantoms?state=fail").text) == ["MR-03"]
    assert machines(client.get("/phantoms?state=overdue").text) == ["MR-01"]
    assert machines(client.get("/phantoms?search=mr-02 acr").text) == ["MR-02"]
    assert machines(client.get("/phantoms?kind=catphan_504").text) == []
    assert "2 of 5 rows" not in client.get("/phantoms?search=mr-02").text
    assert "1 of 5 rows" in client.get("/phantoms?search=mr-02").text
    assert client.get("/phantoms?state=nonsense").status_code == 422


def test_a_person_says_how_often_and_takes_it_back(client: TestClient, stage: Stage) -> None:
    database = stage.services.database
    machine(database, 1, 95.0, days_ago=10)
    path = f"/phantoms/log/{only_history(database)}"
    token = csrf(client, path)
    for days, is_overdue in (("7", True), ("31", False), ("0", False)):
        sent = client.post(f"{path}/due", data={"days": days, "actor": "ada", "csrf": token}, headers=ORIGIN)
        assert sent.status_code == 303, sent.text
        assert (">Overdue<" in client.get("/phantoms").text) == is_overdue, days
        assert (">Overdue<" in client.get(path).text) == is_overdue, days
    with database.begin() as transaction:
        assert log.load(transaction, only_history(database)).due_on is None


def test_all_limits_are_set_in_one_form_and_what_was_not_changed_stays(client: TestClient, stage: Stage) -> None:
    database = stage.services.database
    machine(database, 1, 95.0)
    history = only_history(database)
    limit(database, PIU, 87.123456, None)
    page = client.get(f"/phantoms/log/{history}").text
    form = page[page.index("/limits/all") : page.index("</form>", page.index("/limits/all"))]
    fields = re.findall(r'<input (?:type="hidden" )?name="(\w+)" value="([^"]*)"', form)
    data: dict[str, list[str]] = {}
    for name, value in fields:
        data.setdefault(name, []).append(value)
    assert data["name"] == [PIU, PSG, SPOKES]
    assert data["low"][0] == "87.123456", "every digit: what is sent back unchanged changes nothing"
    data["high"][1] = "2.5"
    assert (
        client.post(f"/phantoms/log/{history}/limits/all", data=data | {"actor": "ada"}, headers=ORIGIN).status_code
        == 303
    )
    with database.begin() as transaction:
        one = log.load(transaction, history)
    assert {(each.name, each.history): (each.low, each.high) for each in one.limits} == {
        (PIU, ""): (87.123456, None),
        (PSG, history): (None, 2.5),
    }
    data["low"] = data["low"][:1]
    assert (
        client.post(f"/phantoms/log/{history}/limits/all", data=data | {"actor": "ada"}, headers=ORIGIN).status_code
        == 409
    )


def test_limits_are_taken_over_from_the_acr_and_from_another_machine(client: TestClient, stage: Stage) -> None:
    database = stage.services.database
    machine(database, 1, 95.0)
    machine(database, 2, 95.0)
    with database.begin() as transaction:
        first, second = (one.history for one in log.all_of(transaction))
    fields = {"source": "acr", "actor": "ada", "csrf": csrf(client, "/phantoms")}
    assert client.post(f"/phantoms/log/{first}/limits/copy", data=fields, headers=ORIGIN).status_code == 303
    refused = client.post(f"/phantoms/log/{first}/limits/copy", data=fields | {"source": second}, headers=ORIGIN)
    assert refused.status_code == 409
    copied = client.post(f"/phantoms/log/{second}/limits/copy", data=fields | {"source": first}, headers=ORIGIN)
    assert copied.status_code == 303
    with database.begin() as transaction:
        for one in log.all_of(transaction):
            assert {each.name: (each.low, each.high) for each in one.limits if each.history} == {
                PIU: (87.5, None),
                PSG: (None, 2.5),
                SPOKES: (9.0, None),
            }


def test_a_source_is_cited_once(client: TestClient, stage: Stage) -> None:
    machine(stage.services.database, 1, 95.0)
    page = client.get(f"/phantoms/log/{only_history(stage.services.database)}").text
    assert page.count("Guide, test 5") == 1


def test_limits_go_to_all_rows_of_the_phantom_that_have_none_of_their_own(client: TestClient, stage: Stage) -> None:
    database = stage.services.database
    for number in range(1, 4):
        machine(database, number, 95.0)
    with database.begin() as transaction:
        first, second, third = (one.history for one in log.all_of(transaction))
    limit(database, PIU, 80.0, None, history=third)
    fields = {"source": "acr", "actor": "ada", "further": "true", "csrf": csrf(client, "/phantoms")}
    assert client.post(f"/phantoms/log/{first}/limits/copy", data=fields, headers=ORIGIN).status_code == 303
    with database.begin() as transaction:
        lows = {one.history: one.numbers_of(PIU)[0] for one in log.all_of(transaction)}
    assert lows == {first: 87.5, second: 87.5, third: 80.0}


def test_what_fails_and_what_is_overdue_is_told_once_without_a_protocol(stage: Stage, five: Database) -> None:
    now = datetime.now(UTC)
    for _ in range(2):
        work.look(five, now)
        now += timedelta(minutes=30)
    with five.begin() as transaction:
        concerns = machine_concerns.standing(transaction)
    assert [one.text for one in concerns if "fails" in one.text] == [
        "MR-03 · ACR MR phantom, large: Uniformity (PIU) fails"
    ]
    assert [one.text.partition(": ")[0] for one in concerns if "due" in one.text] == ["MR-01 · ACR MR phantom, large"]
    assert {one.since for one in concerns} == {now - timedelta(hours=1)}
    with five.begin() as transaction:
        transaction.execute(sa.delete(phantom_limits))
    work.look(five, now)
    with five.begin() as transaction:
        assert machine_concerns.standing(transaction) == []


@pytest.mark.parametrize("kind", [PhantomKind.ACR_MR_LARGE, PhantomKind.ACR_CT_464])
def test_limits_of_the_acr_are_for_values_that_are_measured(kind: PhantomKind) -> None:
    names = {value.name for one in measures_in_order() if kind in one.kinds for value in one.values}
    whole = {name.partition(".slice_")[0] for name in names} | names
    history = PhantomHistory("h", "m", kind, [], dict.fromkeys(whole, "1"), [], [], [])
    limits = templates.acr_limits(history, "ada", NOW)
    assert len(limits) >= 7
    assert {one.name for one in limits} == set(templates.acr_bounds(kind))
    assert templates.acr_source(kind).startswith("ACR, ")
