"""Bundles on their way to a server, a stand-in: each answer that it may give, and one report of each image."""

from __future__ import annotations

import json
import ssl
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from pydantic import ValidationError

from miqa_hl7.fhir import KIND
from miqa_hl7.statement import Statement
from miqa_node.core.settings import DeliverSettings
from miqa_node.errors import DeliveryError, DeliveryRefusedError
from miqa_node.runtime.store.database import Database
from miqa_node.stages.deliver.kinds.base import DeliveryContext, Destination
from tests.conftest import free_port
from tests.packages.hl7.fhir_making import GRID, config
from tests.packages.hl7.fhir_standin import Answer, StandIn, outcome, standing_in
from tests.packages.hl7.making import decided, lanes, queue, statement, states, subject
from tests.packages.hl7.test_lanes import quick
from tests.waiting import wait_until

Make = Callable[..., DeliverSettings]
Connect = Callable[..., Destination]
ONE = statement().result_id


@pytest.fixture
def server() -> Iterator[StandIn]:
    with standing_in() as peer:
        yield peer


@pytest.fixture
def connect(deliver_settings: Make, server: StandIn) -> Iterator[Connect]:
    made: list[Destination] = []

    def make(url: str = "", **more: Any) -> Destination:
        made.append(KIND.connect(config(url or server.url, **more), DeliveryContext(quick(deliver_settings))))
        return made[-1]

    yield make
    for one in made:
        one.close()


def later(one: Statement, **more: Any) -> Statement:
    at = one.made_at + timedelta(minutes=1)
    return replace(one, result_id=f"AT{at:%Y%m%d%H%M%S}0000", made_at=at, **more)


def send(destination: Any, *statements: Statement) -> None:
    for one in statements:
        destination.send_statement(one)


def statuses(server: StandIn) -> dict[str, int]:
    counts: dict[str, int] = {}
    for one in server.of("Observation"):
        counts[one["status"]] = counts.get(one["status"], 0) + 1
    return counts


def test_sent_twice_it_is_there_once(server: StandIn, connect: Connect) -> None:
    send(connect(), statement())
    once = json.dumps(server.stored)
    send(connect(), statement())
    assert json.dumps(server.stored) == once
    assert len(server.taken) == 1, "a search found the report"
    count, (report,) = len(server.stored), server.of("DiagnosticReport")
    del server.stored[f"DiagnosticReport/{report['id']}"]
    send(connect(), statement())
    assert len(server.stored) == count, "somebody had removed the report only"


def test_an_answer_that_got_lost_leaves_no_second_resource(server: StandIn, connect: Connect) -> None:
    server.answer = lambda method, path, count: (
        (200, {}, json.dumps(server._transaction(json.loads(server.requests[-1][3]))).encode()[:99])
        if method == "POST" and count == 1 else None
    )  # fmt: skip
    destination = connect()
    with pytest.raises(DeliveryError, match="did not say that it stored"):
        send(destination, statement())
    stored = json.dumps(server.stored)
    send(destination, statement())
    assert json.dumps(server.stored) == stored


def test_a_decision_updates_the_report_of_the_same_image(server: StandIn, connect: Connect) -> None:
    first = statement(status="preliminary")
    last = later(replace(decided("neu"), findings=(GRID,)))
    send(connect(), first, last)
    (report,) = server.of("DiagnosticReport")
    assert (report["status"], report["meta"]["versionId"]) == ("final", "2")
    assert [one["value"] for one in report["identifier"]][1:] == [last.result_id]
    named = {one["reference"] for one in report["result"]}
    assert named <= set(server.stored), "it refers to what the server has"
    groups = [server.stored[one] for one in named]
    assert {member["reference"] for one in groups for member in one["hasMember"]} <= set(server.stored)
    assert statuses(server) == {"final": 9, "entered-in-error": 3}, "the chain that nobody speaks of is withdrawn"


def test_an_earlier_statement_that_comes_late_changes_nothing(server: StandIn, connect: Connect) -> None:
    send(connect(), later(decided()))
    stored = json.dumps(server.stored)
    send(connect(), statement())
    assert json.dumps(server.stored) == stored


def test_what_was_withdrawn_and_is_said_again_is_there_again(server: StandIn, connect: Connect) -> None:
    first = statement()
    send(connect(), first, later(replace(first, findings=())), later(later(first)))
    assert set(statuses(server)) == {"preliminary"}


def test_two_nodes_at_once_leave_the_later_report(server: StandIn, connect: Connect) -> None:
    """The other one's report comes between search and transaction: 412, or a conditional create of what is there."""
    mine, other, destination = statement(), later(decided()), connect()
    apart = connect()

    def overtaken(method: str, path: str, count: int) -> None:
        if method == "POST" and count == 1:
            server.answer = lambda *_: None
            send(apart, other)

    server.answer = overtaken
    with pytest.raises(DeliveryError, match="in the meantime"):
        send(destination, mine)
    send(destination, mine)
    (report,) = server.of("DiagnosticReport")
    assert report["status"] == "final"

    again = later(other)
    other = later(again)
    server.requests.clear()
    server.answer = overtaken
    with pytest.raises(DeliveryError, match=r"412.*another version"):
        send(destination, again)
    send(destination, again)
    (report,) = server.of("DiagnosticReport")
    assert report["identifier"][1]["value"] == other.result_id


def test_another_image_has_a_report_of_its_own(server: StandIn, connect: Connect) -> None:
    send(connect(), statement(), replace(statement(2), subject=subject(sop_instance_uid="1.9")))
    assert len(server.of("DiagnosticReport")) == 2
    assert len(server.of("Device")) == 1


SAID = outcome("Unknown patient PAT1001 (Doe, Jane)")


@pytest.mark.parametrize(
    ("status", "body", "state", "text"),
    [
        (400, SAID, "FAILED", "The server refused the bundle (400 Bad Request): Unknown patient … (…, …)"),
        (422, outcome("no such code", "details"), "FAILED", "422 Unprocessable Entity): no such code"),
        (422, b"<html>", "FAILED", "422 Unprocessable Entity)."),
        (404, SAID, "FAILED", "(404 Not Found): Unknown patient"),
        (404, b"", "QUEUED", "404 Not Found. Check the url."),
        (403, SAID, "QUEUED", "403 Forbidden: Unknown patient"),
        (401, b"", "QUEUED", "401 Unauthorized. Check the token."),
        (409, outcome("locked"), "QUEUED", "409 Conflict: locked"),
        (412, outcome("several match"), "QUEUED", "412 Precondition Failed: several match"),
        (429, outcome("slow down"), "QUEUED", "429 Too Many Requests: slow down"),
        (500, outcome("lost"), "QUEUED", "500 Internal Server Error: lost"),
        (503, b"", "QUEUED", "503 Service Unavailable. It wants to be asked again after 1 s."),
        (301, b"", "QUEUED", "301 Moved Permanently. Redirects are not followed"),
        (200, b'{"resourceType": "Bun', "QUEUED", "did not say that it stored"),
        (200, b'{"resourceType": "Bundle", "entry": []}', "QUEUED", "did not say that it stored"),
        (200, b"[]", "QUEUED", "did not say that it stored"),
        (204, b"", "QUEUED", "did not say that it stored"),
    ],
)
def test_what_deliveries_says_of_an_answer(
    status: int, body: bytes, state: str, text: str,
    server: StandIn, database: Database, tmp_path: Path, deliver_settings: Make,
) -> None:  # fmt: skip
    server.answer = lambda method, path, count: (
        (status, {"Retry-After": "1"} if status == 503 else {}, body) if method == "POST" else None
    )
    queue(database, statement(), to="ehr")
    sending = lanes(database, tmp_path, quick(deliver_settings), config(server.url), KIND)
    sending.start()
    wait_until(lambda: bool(states(database)[ONE][1]))
    sending.stop(3.0)
    assert states(database)[ONE][0] == state
    assert text in states(database)[ONE][1]
    assert "PAT1001" not in states(database)[ONE][1]


@pytest.mark.parametrize(
    ("words", "error", "text"),
    [
        ("422 Unprocessable Entity", DeliveryRefusedError, "no such code"),
        ("500", DeliveryError, "500: no such code"),
        ("", DeliveryError, "did not say"),
    ],
)
def test_an_entry_that_was_not_stored_is_no_success(
    words: str, error: type[Exception], text: str, server: StandIn, connect: Connect
) -> None:
    def partly(method: str, path: str, count: int) -> Answer | None:
        if method != "POST":
            return None
        whole = server._transaction(json.loads(server.requests[-1][3]))
        whole["entry"][3]["response"] = {"status": words, "outcome": json.loads(outcome("no such code"))}
        return 200, {}, json.dumps(whole).encode()

    server.answer = partly
    with pytest.raises(error, match=text) as failure:
        send(connect(), statement())
    assert isinstance(failure.value, DeliveryRefusedError) == (error is DeliveryRefusedError)


def test_ten_results_wait_for_a_dead_server_and_are_there_once_when_it_is_back(
    database: Database, tmp_path: Path, deliver_settings: Make
) -> None:
    port = free_port()
    queue(database, *(replace(statement(n), subject=subject(sop_instance_uid=f"1.{n}")) for n in range(10)), to="ehr")
    sending = lanes(database, tmp_path, quick(deliver_settings), config(f"http://127.0.0.1:{port}/fhir"), KIND)
    sending.start()
    wait_until(lambda: any(text for _state, text in states(database).values()))
    assert {state for state, _text in states(database).values()} == {"QUEUED"}
    with standing_in(port=port) as server:

        def halved(method: str, path: str, count: int) -> Answer | None:
            if method != "POST" or count % 3:
                return None
            return 200, {}, json.dumps(server._transaction(json.loads(server.requests[-1][3]))).encode()[:50]

        server.answer = halved
        wait_until(lambda: {state for state, _text in states(database).values()} == {"SENT"})
        sending.stop(3.0)
        assert len(server.of("DiagnosticReport")) == 10
        assert {one["meta"]["versionId"] for one in server.stored.values()} == {"1"}


def test_a_token_comes_from_a_file_that_may_change(server: StandIn, connect: Connect, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old\n")
    server.token, destination = "new", connect(token_file=str(file))
    with pytest.raises(DeliveryError, match="401"):
        send(destination, statement())
    file.write_text("new\n")
    send(destination, statement())
    file.unlink()
    with pytest.raises(DeliveryError, match="token_file cannot be read"):
        send(destination, statement())


def test_client_credentials_give_a_token_that_is_fetched_again_once(
    server: StandIn, connect: Connect, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s:3/cret\n")
    keys = {
        "token_url": f"{server.url}/token",
        "client_id": "miqa node",
        "client_secret_file": str(secret),
        "scope": "a b",
    }
    destination = connect(**keys)
    send(destination, statement())
    (_method, _path, headers, body), *_rest = server.requests
    assert headers["authorization"] == "Basic " + b64encode(b"miqa%20node:s%3A3%2Fcret").decode()
    assert body == b"grant_type=client_credentials&scope=a+b"
    assert server.tokens_given == 1, "one for several requests"
    server.token = "revoked"
    send(destination, later(statement()))
    assert server.tokens_given == 2
    server.answer = lambda method, path, count: None if path == "/token" else (401, {}, b"")
    with pytest.raises(DeliveryError, match="401"):
        send(destination, later(later(statement())))
    assert server.tokens_given == 3, "once for a request"
    server.answer = lambda method, path, count: (400, {}, b'{"error": "invalid_client"}')
    with pytest.raises(DeliveryError, match="token_url gave no token, but 400"):
        send(connect(**keys), statement())


def test_a_token_is_replaced_before_its_end(server: StandIn, connect: Connect, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    server.answer = lambda method, path, count: (
        (200, {}, json.dumps({"access_token": server.token, "expires_in": 5}).encode()) if path == "/token" else None
    )
    send(connect(token_url=f"{server.url}/token", client_id="a", client_secret_file=str(secret)), statement())
    assert server.tokens_given == 3, "one for each request: five seconds may be over before the next"


def test_pages_are_asked_for_where_the_token_belongs(server: StandIn, connect: Connect) -> None:
    with standing_in() as other:
        send(connect(), statement())
        page = json.dumps(
            {"resourceType": "Bundle", "entry": [], "link": [{"relation": "next", "url": f"{other.url}/x"}]}
        )
        server.answer = lambda method, path, count: (200, {}, page.encode()) if method == "GET" else None
        with pytest.raises(DeliveryError, match="in the meantime"):
            send(connect(), later(statement()))
        assert other.requests == []
        assert "/x?" in {path for _method, path, _headers, _body in server.requests}


def test_with_certificates_on_both_sides(tmp_path: Path, connect: Connect) -> None:
    authority = trustme.CA()
    ours, theirs = authority.issue_cert("node.example"), authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    ours.private_key_and_cert_chain_pem.write_to_path(tmp_path / "node.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    with standing_in(context=context) as server:
        keys = {"tls_ca": str(tmp_path / "ca.pem"), "tls_certificate": str(tmp_path / "node.pem")}
        destination = connect(server.url, **keys)
        assert destination.probe() == "answers FHIR"
        send(destination, statement())
        assert len(server.of("DiagnosticReport")) == 1


def test_doctor_knows_a_server_of_another_release(server: StandIn, connect: Connect) -> None:
    assert connect().probe() == "answers FHIR"
    server.version = "4.0.1"
    with pytest.raises(DeliveryError, match=r"speaks FHIR 4\.0\.1, and release is R5"):
        connect().probe()
    assert connect(release="R4").probe() == "answers FHIR"
    server.answer = lambda method, path, count: (404, {}, b"")
    with pytest.raises(DeliveryError, match=r"404 Not Found\. Check the url"):
        connect().probe()
    server.answer = lambda method, path, count: (200, {}, b"{}")
    with pytest.raises(DeliveryError, match="cannot be read"):
        connect().probe()


TOKEN = {"token_url": "https://ids.example/", "client_id": "a", "client_secret_file": "b"}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"url": "http://ehr.example/fhir"}, "allow_plain"),
        (TOKEN | {"token_url": "http://ids.example/"}, "allow_plain"),
        ({"client_id": "a"}, "give all three"),
        (TOKEN | {"token_file": "c"}, "not both"),
        ({"url": "https://user:secret@ehr.example"}, "url"),
        ({"release": "R3"}, "release"),
    ],
)
def test_a_wrong_table_is_refused(more: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        config(**({"url": "https://ehr.example"} | more))


def test_addresses_in_logs_have_no_path() -> None:
    assert config("http://ehr.example/secret", allow_plain=True).address == "http://ehr.example"
