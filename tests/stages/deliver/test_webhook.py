"""Webhooks against a real HTTP server that verifies what it gets by the code of the documentation."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import trustme

from miqa_node.core.domain.event import new_event_id
from miqa_node.core.settings import DeliverSettings
from miqa_node.errors import DeliveryError, DeliveryRefusedError
from miqa_node.stages.deliver.kinds.base import DeliveryContext, Destination, connect
from miqa_node.stages.deliver.kinds.webhook import WebhookConfig
from tests.stages.deliver.making import Event, as_file, outcomes, report
from tests.stages.deliver.receiver import SECRET, Receiver, documented, receiver, secret_file

OTHER = "whsec_YW5vdGhlci1zZWNyZXQtdGhhdC1pcy1sb25nLWVub3VnaA=="


@pytest.fixture
def peer() -> Iterator[Receiver]:
    with receiver() as peer:
        yield peer


@pytest.fixture
def webhook(deliver_settings: Callable[..., DeliverSettings], tmp_path: Path) -> Iterator[Callable[..., Destination]]:
    made: list[Destination] = []

    def make(url: str, *secrets: str, **changes: Any) -> Destination:
        config = WebhookConfig(name="ris", url=url, secret_file=secret_file(tmp_path, *secrets), **changes)
        made.append(connect(config, DeliveryContext(deliver_settings(dimse_timeout_s=0.5))))
        return made[-1]

    yield make
    for one in made:
        one.close()


def event(**changes: object) -> Event:
    event_id = new_event_id()
    return event_id, json.dumps({"id": event_id, "type": "study.flagged", **changes}).encode()


def test_an_event_arrives_signed_and_as_it_was_written(peer: Receiver, webhook: Callable[..., Destination]) -> None:
    first, second = event(), event(data="ä")
    began = int(time.time())
    assert outcomes(webhook(peer.url), first, second) == [None, None]
    assert peer.taken == [first, second]
    headers, _body = peer.attempts[0]
    assert headers["content-type"] == "application/json"
    assert began <= int(headers["webhook-timestamp"]) <= time.time()


def test_a_receiver_gets_the_body_that_the_site_wrote_for_it(
    peer: Receiver, webhook: Callable[..., Destination], tmp_path: Path
) -> None:
    layout = tmp_path / "chat.json"
    places = {"text": "{data.study.verdict}: „{data.study.note}“ {data.none}", "type": "{type}", "blocks": [3]}
    layout.write_text(json.dumps(places))
    chat = webhook(peer.url, body_file=str(layout))
    sample = event(data={"study": {"verdict": "REJECT", "note": 'a "b"\nc'}})

    assert outcomes(chat, sample) == [None], "the signature is that of the body that was sent"
    assert json.loads(peer.taken[0][1]) == {"text": 'REJECT: „a "b"\nc“ ', "type": "study.flagged", "blocks": [3]}

    layout.write_text("Hello {type}")
    (outcome,) = outcomes(chat, event())
    assert "body_file is not JSON" in str(outcome)
    layout.unlink()
    (outcome,) = outcomes(chat, event())
    assert "body_file cannot be read" in str(outcome)


def test_the_documented_code_refuses_what_was_changed(peer: Receiver, webhook: Callable[..., Destination]) -> None:
    outcomes(webhook(peer.url), event())
    (headers, body), verify = peer.attempts[0], documented()["verify"]
    assert verify(SECRET, headers, body)
    assert not verify(SECRET, headers, body + b" ")
    assert not verify(OTHER, headers, body)
    assert not verify(SECRET, headers | {"webhook-id": new_event_id()}, body)
    assert not verify(SECRET, headers | {"webhook-timestamp": str(int(time.time()) - 301)}, body)


def test_a_wrong_secret_is_an_answer_that_says_where_to_look(
    peer: Receiver, webhook: Callable[..., Destination]
) -> None:
    destination = webhook(peer.url, OTHER)
    (outcome,) = outcomes(destination, event())
    assert "401" in str(outcome)
    assert "secret_file" in str(outcome)
    with pytest.raises(DeliveryError, match="secret_file"):
        destination.probe()
    assert peer.taken == []


def test_a_secret_is_replaced_without_a_restart(
    peer: Receiver, webhook: Callable[..., Destination], tmp_path: Path
) -> None:
    destination = webhook(peer.url)
    secret_file(tmp_path, OTHER, SECRET)
    assert outcomes(destination, event()) == [None], "the receiver knows the old one"
    peer.secret = OTHER
    secret_file(tmp_path, OTHER)
    assert outcomes(destination, event()) == [None]


@pytest.mark.parametrize(
    ("secrets", "says"),
    [
        (("",), "1 to 4"),
        ((SECRET,) * 5, "1 to 4"),
        (("hunter2",), "whsec_"),
        (("whsec_c2hvcnQ=",), "24 to 64"),
        (("whsec_*",), "24 to 64"),
    ],
)
def test_a_bad_secret_is_told_without_repeating_it(
    peer: Receiver, webhook: Callable[..., Destination], secrets: tuple[str, ...], says: str
) -> None:
    (outcome,) = outcomes(webhook(peer.url, *secrets), event())
    assert isinstance(outcome, DeliveryError)
    assert says in str(outcome)
    assert "hunter2" not in str(outcome)
    assert peer.attempts == []


def test_no_secret_file(peer: Receiver, webhook: Callable[..., Destination], tmp_path: Path) -> None:
    destination = webhook(peer.url)
    (tmp_path / "webhook.secret").unlink()
    (outcome,) = outcomes(destination, event())
    assert "cannot be read" in str(outcome)


@pytest.mark.parametrize(
    ("status", "final", "says"),
    [(410, True, "410 Gone"), (413, True, "413"), (400, False, "400"), (500, False, "500"), (404, False, "url"),
     (302, False, "Redirects"), (429, False, "429")],
)  # fmt: skip
def test_what_answers_mean(
    peer: Receiver, webhook: Callable[..., Destination], status: int, *, final: bool, says: str
) -> None:
    peer.answer = lambda _event: status
    (outcome,) = outcomes(webhook(peer.url), event())
    assert isinstance(outcome, DeliveryError)
    assert isinstance(outcome, DeliveryRefusedError) == final
    assert says in str(outcome)
    assert "key=1" not in str(outcome), "an address may hold a secret"
    assert len(peer.attempts) == 1, "redirects are not followed"


@pytest.mark.parametrize(
    ("status", "after", "longest_s"),
    [(429, "7", 7), (503, "in 20 minutes", 1200), (429, "9" * 400, 86400), (429, "soon", 0), (500, "7", 0)],
)
def test_a_receiver_says_when_it_wants_to_be_asked_again(
    peer: Receiver, webhook: Callable[..., Destination], status: int, after: str, longest_s: float
) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=20))
    peer.answer, peer.retry_after = lambda _event: status, date if after == "in 20 minutes" else after
    (outcome,) = outcomes(webhook(peer.url), event())
    assert isinstance(outcome, DeliveryError)
    assert longest_s / 2 <= outcome.retry_after_s <= longest_s
    assert ("wants to be asked again after" in str(outcome)) == (longest_s > 0)


def test_a_silent_receiver_costs_its_time_out_only(peer: Receiver, webhook: Callable[..., Destination]) -> None:
    peer.may_answer.clear()
    (outcome,) = outcomes(webhook(peer.url), event())
    peer.may_answer.set()
    assert "no answer" in str(outcome)


def test_it_takes_no_dicom_objects(peer: Receiver, webhook: Callable[..., Destination]) -> None:
    (outcome,) = outcomes(webhook(peer.url), as_file(report()))
    assert isinstance(outcome, DeliveryRefusedError)
    assert peer.attempts == []


def test_over_tls_with_a_certificate_of_the_hospital(webhook: Callable[..., Destination], tmp_path: Path) -> None:
    ca = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    with receiver(context=context) as peer:
        trusting, doubting = webhook(peer.url, tls_ca=str(tmp_path / "ca.pem")), webhook(peer.url)
        trusting.probe()
        assert peer.pings == 1
        assert outcomes(trusting, event()) == [None]
        (outcome,) = outcomes(doubting, event())
        assert "certificate is not trusted" in str(outcome)
        assert len(peer.taken) == 1
