"""Why a destination, a sender or the node fails is in the page's language: errors as the node itself raises them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from miqa_node.core.language.catalogue import LANGUAGE, reworded
from miqa_node.core.observe.recent_check import RecentCheck
from miqa_node.core.settings import load_settings
from miqa_node.errors import MiqaError
from miqa_node.runtime.store.disk import DiskObjects
from miqa_node.stages.deliver.association import Peer, storage_contexts
from miqa_node.stages.deliver.http_request import HttpAnswer
from miqa_node.stages.deliver.kinds.base import OnWarning
from miqa_node.stages.deliver.kinds.stow import _not_now
from miqa_node.stages.deliver.statuses import judge
from miqa_node.stages.receive.admission import Admission, Caller, PeerCertificate
from miqa_node.stages.receive.pending import _HINTS, _WORDS
from tests.conftest import free_port
from tests.core.language.untranslated import untranslated

CT_IMAGE, IMPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2"


@pytest.fixture(autouse=True)
def german() -> Iterator[None]:
    token = LANGUAGE.set("de")
    yield
    LANGUAGE.reset(token)


def _error(work: Callable[[], object]) -> str:
    with pytest.raises(MiqaError) as raised:
        work()
    return str(raised.value)


def _answered(status: int) -> str:
    return str(_not_now(HttpAnswer(status, "", b"")))


def test_nobody_listens() -> None:
    port = free_port()
    peer = Peer("PACS", "127.0.0.1", port, "MIQA", load_settings(deliver={"connection_timeout_s": 2}).deliver)

    text = _error(lambda: peer.open(storage_contexts([(CT_IMAGE, IMPLICIT)])))

    assert text.endswith(": the connection was refused, or cannot be made (address, firewall, TLS).")
    assert reworded(text) == (
        f"PACS@127.0.0.1:{port}: die Verbindung wurde verweigert oder kommt nicht zustande (Adresse, Firewall, TLS)."
    )


@pytest.mark.parametrize(
    ("status", "german_text"),
    [
        (0xA700, "Die Gegenstelle antwortete mit Status 0xA700: keine Ressourcen, das Archiv ist voll."),
        (0x0122, "Die Gegenstelle antwortete mit Status 0x0122: Sie nimmt keine Objekte dieser SOP-Klasse an."),
        (
            0xB000,
            "Die Gegenstelle antwortete mit der Warnung 0xB000: gespeichert, Elemente angepasst; on_warning ist retry.",
        ),
    ],
)
def test_a_peer_answers_with_a_status(status: int, german_text: str) -> None:
    assert reworded(_error(lambda: judge(status, OnWarning.RETRY))) == german_text


def test_a_hint_after_the_reason_is_german_too() -> None:
    assert reworded(_answered(401)) == "Der Dienst antwortete 401 Unauthorized. Bitte token_file prüfen."
    assert reworded(_answered(500)) == ("Der Dienst antwortete 500 Internal Server Error.")


def test_the_node_is_not_ready(tmp_path: Path) -> None:
    text = _error(DiskObjects(tmp_path, min_free_bytes=2**80).check)
    assert reworded(text).startswith("Auf der Platte des Objektspeichers sind nur ")

    def fail() -> None:
        raise ValueError("anything")

    assert (
        reworded(RecentCheck("The database", fail, max_age_s=1.0, limit_s=5.0).reason(5.0))
        == "Datenbank: fehlgeschlagen (ValueError)."
    )


@pytest.mark.parametrize("why", list(_WORDS))
def test_a_connection_is_closed(why: object) -> None:
    reason, hint = _WORDS[why], _HINTS[why]("10.0.0.5")  # type: ignore[index]
    for text in (reason, hint):
        assert reworded(text) != text or text in untranslated("de")
        assert text in untranslated("de") or " the " not in reworded(text)


def test_an_association_is_rejected() -> None:
    tls = {"tls": "only", "tls_certificate": "c", "tls_key": "k", "tls_client_ca": "ca"}
    peers = {"allowed_peers": ["CT1@10.0.0.5"], "peer_certificates": ["CT1@10.0.0.5 name:ct1"]}
    admission = Admission(load_settings(dicom={**tls, **peers}).dicom)
    stranger = Caller("MR", "MIQA", "10.0.0.6", "10.0.0.1")
    rejection, hint = admission.judge(stranger) or pytest.fail("it was admitted")
    assert reworded(rejection.words) == "sein AE-Titel und seine Adresse stehen nicht auf der Liste der Gegenstellen"
    assert reworded(hint) == "„MR@10.0.0.6“ in dicom.allowed_peers eintragen"

    impostor = Caller("CT1", "MIQA", "10.0.0.5", "10.0.0.1", PeerCertificate("0" * 64, frozenset()))
    rejection, hint = admission.judge(impostor) or pytest.fail("it was admitted")
    assert reworded(rejection.words) == "Zertifikat, AE-Titel und Adresse gehören nicht zusammen"
    assert "in dicom.peer_certificates eintragen" in reworded(hint)
