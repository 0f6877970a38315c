"""The operations page says of each sender what failed, TLS and storage commitment included, and what to do."""

from __future__ import annotations

import re
from html import unescape

import pytest
from fastapi.testclient import TestClient
from pydicom.uid import generate_uid

from miqa_node.core.domain.delivery import CommitmentRequest
from miqa_node.core.domain.peers import plain_address
from miqa_node.core.language.phrase import Phrase
from miqa_node.stages.receive.rows.senders import SenderBook
from miqa_node.stages.receive.scp import HINT_OF_TLS
from miqa_node.stages.receive.sources.cstore import CStoreSource
from tests.web.staging import Stage

WHY = Phrase("the connection was refused, or cannot be made (address, firewall, TLS).")
CLOSED = Phrase("{error} The association that it asked on is closed.", error=WHY)


@pytest.fixture
def failed(stage: Stage) -> None:
    """One peer that the node takes, whose report it cannot give, and one whose TLS does not fit."""
    book = SenderBook(stage.services.database)
    source = CStoreSource.__new__(CStoreSource)
    source._senders = book
    book.note("CT1", plain_address("10.0.0.5"))
    request = CommitmentRequest(generate_uid(), "CT1", "MIQA", "10.0.0.5", (("1.2.3", "1.2.3.1"),))
    source._note_unreported(request, CLOSED)
    book.note("", "10.0.0.6", "TLS handshake failed: TLSV1_ALERT_UNKNOWN_CA", HINT_OF_TLS)
    book.write()


def rows(client: TestClient, language: str = "") -> dict[str, str]:
    """The text of each row, by address."""
    client.cookies.set("miqa_language", language or "en")
    page = client.get("/operations").text
    table = page[page.index('<table class="senders">') : page.index("</table>", page.index('class="senders"'))]
    texts = [
        unescape(re.sub("<[^>]+>", " ", row)) for row in re.findall(r"<tr class=\"refused\">.*?</tr>", table, re.DOTALL)
    ]
    return {address: " ".join(text.split()) for text in texts for address in re.findall(r"10\.0\.0\.\d", text)[:1]}


@pytest.mark.usefixtures("failed")
def test_each_failure_stands_with_its_peer_and_what_to_do(client: TestClient) -> None:
    failures = rows(client)
    assert set(failures) == {"10.0.0.5", "10.0.0.6"}
    commitment, tls = failures["10.0.0.5"], failures["10.0.0.6"]
    assert commitment.startswith("CT1 ")
    for text in ("Storage commitment was not reported", "the connection was refused", "dicom.commitment_peers"):
        assert text in commitment
    for text in ("none given", "never", "TLS handshake failed: TLSV1_ALERT_UNKNOWN_CA", "compare them with dicom.tls_"):
        assert text in tls
    german = rows(client, "de")
    assert "dass dicom.commitment_peers" in german["10.0.0.5"]
    assert "die Verbindung wurde verweigert" in german["10.0.0.5"]


@pytest.mark.usefixtures("failed")
def test_rest_says_the_same(client: TestClient) -> None:
    senders = {one["peer_address"]: one for one in client.get("/api/v1/operations").json()["senders"]}
    assert senders["10.0.0.5"]["reason"] == "storage commitment was not reported"
    assert "dicom.commitment_peers" in senders["10.0.0.5"]["hint"]
    assert senders["10.0.0.6"]["reason"].startswith("TLS handshake failed")
