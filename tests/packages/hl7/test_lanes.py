"""Messages in lanes: every answer that a receiver may give, and what *Deliveries* says of it."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from miqa_hl7.oru import KIND, OruConfig
from miqa_hl7.statement import dump_statement
from miqa_node.core.settings import DeliverSettings
from miqa_node.errors import DeliveryRefusedError
from miqa_node.runtime.store.database import Database
from miqa_node.stages.deliver.kinds.base import DeliveryContext
from tests.conftest import free_port
from tests.packages.hl7.making import config, lanes, queue, statement, states
from tests.packages.hl7.receiving import BEGIN, END, answer, control_id, receiving
from tests.waiting import wait_until

pytestmark = pytest.mark.more

Make = Callable[..., DeliverSettings]
ONE = statement().result_id


def quick(make: Make) -> DeliverSettings:
    return make(
        poll_interval_s=0.02, backoff_initial_s=0.02, backoff_max_s=0.05, breaker_pause_s=0.05, dimse_timeout_s=0.5
    )


def framed(message: bytes, code: str, text: str = "") -> bytes:
    return BEGIN + answer(message, code, text) + END


def other(message: bytes) -> bytes:
    return framed(message, "AA").replace(control_id(message).encode(), b"ANOTHER")


HALF: dict[str, Callable[[bytes], bytes | None]] = {
    "AE": lambda message: framed(message, "AE", "busy"),
    "none": lambda message: None,
    "half": lambda message: framed(message, "AA")[:30],
    "garbage": lambda message: BEGIN + b"thanks" + END,
    "another": other,
}


@pytest.mark.parametrize("name", HALF)
def test_what_is_no_yes_is_tried_again_until_it_is_one(
    name: str, database: Database, tmp_path: Path, deliver_settings: Make
) -> None:
    def tried(message: bytes) -> bytes | None:
        return HALF[name](message) if len(receiver.taken) < 3 else framed(message, "AA")

    with receiving(tried) as receiver:
        queue(database, statement())
        sending = lanes(database, tmp_path, quick(deliver_settings), config(receiver.port), KIND)
        sending.start()
        wait_until(lambda: states(database)[ONE][0] == "SENT")
        sending.stop(3.0)
        assert len(receiver.taken) >= 3
        assert len(set(receiver.taken)) == 1, "each repetition has the same bytes"


def test_ar_ends_as_failed_with_its_text_and_without_the_patient(
    database: Database, tmp_path: Path, deliver_settings: Make
) -> None:
    with receiving(lambda message: framed(message, "AR", "no such patient PAT1001")) as receiver:
        queue(database, statement(), statement(2))
        sending = lanes(database, tmp_path, quick(deliver_settings), config(receiver.port), KIND)
        sending.start()
        wait_until(lambda: {state for state, _text in states(database).values()} == {"FAILED"})
        sending.stop(3.0)
        assert states(database)[ONE][1] == "The receiver rejected the message (AR): no such patient …"


def test_a_dead_receiver_keeps_ten_results_waiting_and_gets_each_when_it_is_back(
    database: Database, tmp_path: Path, deliver_settings: Make
) -> None:
    port = free_port()
    queue(database, *map(statement, range(10)))
    sending = lanes(database, tmp_path, quick(deliver_settings), config(port), KIND)
    sending.start()
    wait_until(lambda: any(text for _state, text in states(database).values()))
    assert {state for state, _text in states(database).values()} == {"QUEUED"}
    count = 0

    def halved(message: bytes) -> bytes:
        nonlocal count
        count += 1
        whole = framed(message, "AA")
        return whole[: len(whole) // 2] if count % 3 == 0 else whole

    with receiving(halved, port) as receiver:
        wait_until(lambda: {state for state, _text in states(database).values()} == {"SENT"})
        sending.stop(3.0)
        assert {control_id(one) for one in receiver.taken} == set(states(database))
        assert len(set(receiver.taken)) == 10


def test_over_tls_with_certificates_on_both_sides(tmp_path: Path, deliver_settings: Make) -> None:
    authority = trustme.CA()
    ours, theirs = authority.issue_cert("node.example"), authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    ours.private_key_and_cert_chain_pem.write_to_path(tmp_path / "node.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    tls: dict[str, Any] = {
        "tls": True,
        "tls_ca": str(tmp_path / "ca.pem"),
        "tls_certificate": str(tmp_path / "node.pem"),
    }
    with receiving() as receiver:
        receiver.wrap = lambda plain: context.wrap_socket(plain, server_side=True)
        destination = KIND.connect(config(receiver.port, **tls), DeliveryContext(quick(deliver_settings)))
        assert destination.probe() == "takes connections"
        destination.send_event(ONE, dump_statement(statement()).encode())
        destination.close()
        assert [control_id(one) for one in receiver.taken] == [ONE]


def test_it_takes_no_files(deliver_settings: Make) -> None:
    with pytest.raises(DeliveryRefusedError):
        KIND.connect(OruConfig(name="ris", host="ris.example", port=1), DeliveryContext(deliver_settings())).send_one(
            "1.2", "1.2.3", b""
        )
