"""The operations page, its REST interface and the banner: what waits, what fails, and what can be done about it."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi.testclient import TestClient

from miqa_node.core.language.phrase import Phrase
from tests.features.operations.page.test_operations_page import check, destination
from tests.web.staging import Stage

WHY = Phrase("the connection was refused, or cannot be made (address, firewall, TLS).")


REFUSED = Phrase("{where}: {why_not}", where="PACS@10.0.0.5:104", why_not=WHY)


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
