"""The operations page, its REST interface and the banner: what waits, what fails, and what can be done about it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from fastapi import FastAPI
from fastapi.testclient import TestClient

from miqa_node.core.domain.access import Role
from miqa_node.core.domain.object_store import DiskSpace
from miqa_node.core.domain.operations import DestinationCheck
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.settings import load_settings
from miqa_node.errors import DeliveryError
from miqa_node.interfaces.web.app import create_app
from miqa_node.interfaces.web.services import ALARMS_AGE_S
from miqa_node.runtime.store import upkeep
from miqa_node.stages.deliver.rows import deliveries, destination_checks
from miqa_node.stages.receive.admission import Admission, Caller
from miqa_node.stages.receive.rows import senders
from miqa_node.stages.receive.rows.senders import SenderBook
from tests.policies import policy_of
from tests.web.people import PASSWORD, add_account
from tests.web.staging import Stage, csrf

DO = {"actor": "mara"}
HERE = {"origin": "http://localhost:8080"}
WHY = Phrase("the connection was refused, or cannot be made (address, firewall, TLS).")
REFUSED = Phrase("{where}: {why_not}", where="PACS@10.0.0.5:104", why_not=WHY)


def check(stage: Stage, *, answers: bool, node: str = "a", age_s: float = 1.0, detail: str = "answers C-ECHO") -> None:
    at = datetime.now(UTC) - timedelta(seconds=age_s)
    rows = DestinationCheck("PACS", node, "cstore", "PACS@10.0.0.5:104", False, answers, detail, False, at, at)
    with stage.services.database.begin() as transaction:
        destination_checks.record(transaction, rows)


def destination(client: TestClient) -> dict[str, object]:
    [one] = client.get("/api/v1/operations").json()["destinations"]
    return dict(one)


def test_since_is_the_moment_of_the_change_not_of_the_last_check(stage: Stage, client: TestClient) -> None:
    check(stage, answers=False, age_s=50)
    check(stage, answers=False, age_s=2)
    one = destination(client)
    assert datetime.fromisoformat(str(one["since"])) < datetime.fromisoformat(str(one["checked_at"]))
    check(stage, answers=True)
    assert destination(client)["health"] == "answers"


def test_a_delivery_that_waits_over_five_minutes_is_an_alarm(stage: Stage, client: TestClient) -> None:
    stage.add(1, at=datetime.now(UTC) - timedelta(minutes=6))
    check(stage, answers=True)

    assert "PACS is behind" in client.get("/operations/alarms").text


@pytest.mark.parametrize(
    ("days", "says", "german"),
    [
        (-2, "The certificate of PACS has ended</strong> since", "Das Zertifikat von PACS ist abgelaufen"),
        (9, "The certificate of PACS ends on 20", "Das Zertifikat von PACS läuft am 20"),
        (20, "", ""),
    ],
)
def test_a_certificate_that_ends_is_an_alarm(
    stage: Stage, client: TestClient, tmp_path: Path, days: int, says: str, german: str
) -> None:
    end, file = datetime.now(UTC) + timedelta(days=days), tmp_path / "node.pem"
    made = trustme.CA().issue_cert("n.example", not_before=end - timedelta(days=90), not_after=end)
    made.private_key_and_cert_chain_pem.write_to_path(file)
    object.__setattr__(stage.services, "certificates", lambda: {"PACS": str(file)})

    banner = client.get("/operations/alarms").text
    assert says in banner
    assert ("the node takes it without a restart" in banner) == bool(says)
    assert len(client.get("/api/v1/operations").json()["alarms"]) == bool(says)
    client.cookies.set("miqa_language", "de")
    assert german in client.get("/operations/alarms").text


def test_what_is_gone_disappears_and_what_fails_comes_first(stage: Stage, client: TestClient) -> None:
    now = datetime.now(UTC)
    with stage.services.database.begin() as transaction:
        for name, node, answers in (("A", "old", True), ("B", "new", True), ("C", "new", False), ("D", "old", False)):
            row = DestinationCheck(name, node, "cstore", f"{name}@h:104", False, answers, "says", False, now, now)
            destination_checks.record(transaction, row)
        upkeep.sample_disk(transaction, "old", DiskSpace(100, 50), now - timedelta(days=1))
        upkeep.sample_disk(transaction, "new", DiskSpace(100, 50), now)
    names = [one["name"] for one in client.get("/api/v1/operations").json()["destinations"]]
    assert names == ["C", "D", "A", "B"]
    with stage.services.database.begin() as transaction:
        destination_checks.leave(transaction, "old", datetime.now(UTC))
    report = client.get("/api/v1/operations").json()
    assert [one["name"] for one in report["destinations"]] == ["C", "B"]
    assert [one["node"] for one in report["disks"]] == ["new"]
    assert "D fails" not in client.get("/operations/alarms").text


def test_what_was_given_up_for_a_destination_that_is_gone_is_no_destination(stage: Stage, client: TestClient) -> None:
    stage.add(1)
    now = datetime.now(UTC)
    with stage.services.database.begin() as transaction:
        [job] = deliveries.claim(transaction, "PACS", 2, now, 1.0)
        deliveries.failed(transaction, job.delivery_id, "it said no", None, now)
    assert client.get("/api/v1/operations").json()["destinations"] == []
    check(stage, answers=True)
    assert destination(client)["name"] == "PACS"


@pytest.mark.parametrize("address", ["/", "/images", "/operations", "/rooms"])
def test_every_page_says_in_its_banner_why_the_node_is_not_ready(
    stage: Stage, client: TestClient, address: str
) -> None:
    stage.not_ready.append("The disk is full.")
    banner = re.search(r'hx-get="(/operations/alarms)" hx-trigger="load"', client.get(address).text)
    assert banner is not None
    assert "The node is not ready.</strong> The disk is full." in client.get(banner[1]).text
    assert client.get("/readyz").json()["reasons"] == ["The disk is full."]


def test_what_waits_for_nobody_is_an_alarm(stage: Stage, client: TestClient) -> None:
    stage.add(1, at=datetime.now(UTC) - timedelta(minutes=6))
    check(stage, answers=True, age_s=1000)

    assert destination(client)["health"] == "unknown"
    assert "No running process sends there" in client.get("/operations/alarms").text


def test_a_banner_that_the_page_has_is_not_sent_again(
    stage: Stage, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = client.get("/operations/alarms").text.partition("seen=")[2].partition('"')[0]
    assert client.get(f"/operations/alarms?seen={mark}").status_code == 204
    check(stage, answers=False)
    monkeypatch.setattr(stage.services.recent_alarms, "_max_age_s", -1.0)
    assert ALARMS_AGE_S > 0
    assert client.get(f"/operations/alarms?seen={mark}").status_code == 200


def test_nothing_is_sent_to_a_destination_that_is_held(stage: Stage, client: TestClient) -> None:
    stage.add(1, at=datetime.now(UTC) - timedelta(minutes=6))

    def due() -> bool:
        with stage.services.database.begin() as transaction:
            return deliveries.is_due(transaction, "PACS", datetime.now(UTC))

    assert due()
    held = client.post("/api/v1/destinations/PACS/hold", json=DO | {"comment": "migration"})
    assert held.status_code == 200, held.text
    assert not due()
    assert client.post("/api/v1/destinations/PACS/hold", json=DO).status_code == 409
    assert destination(client)["health"] == "held"
    assert "PACS" not in client.get("/operations/alarms").text
    assert "Held by mara" in client.get("/operations").text
    assert client.post("/api/v1/destinations/PACS/release", json=DO).status_code == 200
    assert due()


def test_what_was_given_up_is_sent_again_and_what_waits_is_tried_now(stage: Stage, client: TestClient) -> None:
    stage.add(1)
    stage.add(2)
    now = datetime.now(UTC)
    with stage.services.database.begin() as transaction:
        first, second = deliveries.claim(transaction, "PACS", 2, now, 1.0)
        deliveries.failed(transaction, first.delivery_id, "it said no", None, now)
        deliveries.failed(transaction, second.delivery_id, "no answer", now + timedelta(hours=1), now)

    answer = client.post("/api/v1/destinations/PACS/drain", json=DO).json()["done"]
    assert answer.startswith("1 for PACS")
    assert client.post("/api/v1/destinations/PACS/resend", json=DO).json()["done"].startswith("1 given up")
    with stage.services.database.begin() as transaction:
        assert len(deliveries.claim(transaction, "PACS", 9, datetime.now(UTC), 1.0)) == 2


def test_a_rejection_note_that_waits_for_its_delay_is_no_alarm_and_is_not_sent_early(
    stage: Stage, client: TestClient
) -> None:
    stage.add(1, at=datetime.now(UTC) + timedelta(minutes=9))

    assert "PACS" not in client.get("/operations/alarms").text
    assert client.post("/api/v1/destinations/PACS/drain", json=DO).json()["done"].startswith("0 for PACS")


def test_an_echo_says_what_the_destination_answers(stage: Stage, app: FastAPI, client: TestClient) -> None:
    def away(_name: str) -> str:
        raise DeliveryError("nobody listens at 10.0.0.5:104.")

    app.state.services = replace(stage.services, destinations=lambda: ("PACS",), echo=lambda _name: "answers C-ECHO")
    assert client.post("/api/v1/destinations/PACS/echo", json=DO).json() == {"done": "PACS answers C-ECHO."}
    app.state.services = replace(stage.services, destinations=lambda: ("PACS",), echo=away)
    assert client.post("/api/v1/destinations/PACS/echo", json=DO).status_code == 502
    form = {"do": "echo PACS", "actor": "mara", "csrf": csrf(client)}
    assert "PACS: nobody listens" in client.post("/operations", data=form, headers=HERE).text
    assert client.post("/api/v1/destinations/other/echo", json=DO).status_code == 404


def test_readers_see_the_page_and_only_administrators_change_anything(stage: Stage, client: TestClient) -> None:
    stage.add(1)
    add_account(stage, "paul", Role.VIEWER)
    client.post("/sign-in", data={"name": "paul", "password": PASSWORD}, headers=HERE)

    page = client.get("/operations")
    assert page.status_code == 200
    assert "Echo" not in page.text
    assert client.post("/operations", data={"do": "hold PACS", "csrf": csrf(client)}, headers=HERE).status_code == 403


def test_the_numbers_of_the_worklist_lead_on(stage: Stage, client: TestClient) -> None:
    stage.add(1)
    assert 'href="/operations#destinations" aria-label="1 deliveries waiting"' in client.get("/").text


def test_why_a_sender_was_refused_is_german(stage: Stage, client: TestClient) -> None:
    book = SenderBook(stage.services.database)
    book.note("CT1", "10.0.0.9", *_refusal(Caller("CT1", "MIQA", "10.0.0.9", "10.0.0.1")))
    book.write()
    client.cookies.set("miqa_language", "de")

    page = client.get("/operations").text

    assert "Sein AE-Titel und seine Adresse stehen nicht auf der Liste der Gegenstellen" in page
    assert "„CT1@10.0.0.9“ in dicom.allowed_peers eintragen" in page


def _refusal(caller: Caller) -> tuple[str, str]:
    rejection, hint = Admission(load_settings().dicom).judge(caller) or pytest.fail("it was admitted")
    return rejection.words, hint


def test_strangers_do_not_push_senders_out(stage: Stage) -> None:
    book = SenderBook(stage.services.database)
    book.note("CT1", "10.0.0.9")
    book.note("CT1", "10.0.0.9", "too many associations were open", "raise dicom.max_associations")
    book.write()
    for number in range(150):
        book.note("", f"10.1.0.{number}", "not on the list", "")
    book.write()
    for number in range(150):
        book.note("", f"10.2.0.{number}", "not on the list", "")
    book.write()

    with stage.services.database.begin() as transaction:
        names = senders.select(transaction)
    assert len(names) == senders.MAX_SENDERS
    [scanner] = [one for one in names if one.calling_ae_title == "CT1"]
    assert (scanner.refusals, scanner.is_refused, scanner.hint) == (1, True, "raise dicom.max_associations")


def test_a_withdrawn_measurement_in_the_policy_is_named_with_its_successor(
    stage: Stage, app: FastAPI, client: TestClient
) -> None:
    policy = policy_of({"measurement": "nps_peak", "above": 1, "then": "REVIEW", "reason": "111207"})
    app.state.services = replace(stage.services, policy=lambda: policy)
    page = client.get("/operations").text
    assert "Withdrawn measurement" in page
    assert "now nps_frequency" in page
    assert client.get("/api/v1/operations").json()["withdrawn"] == {"nps_peak": "nps_frequency"}


@pytest.mark.more
def test_a_destination_that_fails_for_one_process_is_an_alarm_with_the_error(stage: Stage, client: TestClient) -> None:
    stage.add(1, at=datetime.now(UTC))
    check(stage, answers=True, node="a")
    check(stage, answers=False, node="b", detail=REFUSED)

    assert destination(client)["health"] == "failing"
    banner = client.get("/operations/alarms").text
    assert "PACS fails" in banner
    assert f"1 delivery waits. {REFUSED}" in banner
    client.cookies.set("miqa_language", "de")
    banner = client.get("/operations/alarms").text
    assert "PACS ist gestört" in banner
    assert "1 Zustellung wartet. PACS@10.0.0.5:104: die Verbindung wurde verweigert" in banner
    assert "PACS@10.0.0.5:104: die Verbindung wurde verweigert oder kommt nicht zustande (Adresse, Firewall, TLS)." in (
        client.get("/operations").text
    )
    client.cookies.clear()
    page = client.get("/operations").text
    assert "Fails since" in page
    assert 'value="echo PACS"' in page


def test_a_node_that_starts_is_no_alarm(stage: Stage, client: TestClient) -> None:
    stage.not_ready.append("The models are being loaded.")
    early = TestClient(
        create_app(replace(stage.services, starting=lambda: True)), "http://localhost:8080", client=("127.0.0.1", 1)
    )
    banner, later = early.get("/operations/alarms").text, client.get("/operations/alarms").text
    assert 'class="starting"' in banner
    assert "The node is starting." in banner
    assert "The models are being loaded." in banner
    assert 'class="alarms"' in later
    assert "<strong>Starting:</strong>" in early.get("/operations").text
