"""What strangers send is not read, and what others upload has a place and a quota of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx2
import pytest
import sqlalchemy as sa

from miqa_node.core.domain.access import Permission, Role
from miqa_node.core.settings import load_settings
from miqa_node.interfaces.web.app import create_app
from miqa_node.interfaces.web.server import WebServer
from miqa_node.interfaces.web.services import WebServices
from miqa_node.local import LocalResult
from miqa_node.stages.receive.intake import Intake
from tests.interfaces.dicomweb.test_stow import TYPE, body, sample
from tests.interfaces.web.test_connections import rest, send, sockets
from tests.waiting import wait_until
from tests.web.people import add_account, add_token
from tests.web.staging import Stage

__all__ = ["sockets"]

Open = Callable[..., tuple[int, WebServices]]
FORM = "multipart/form-data; boundary=x"


@pytest.fixture
def open_node(stage: Stage, tmp_path: Path) -> Iterator[Open]:
    """A served node that keeps what it is sent; its port and services."""
    with ExitStack() as stack:

        def start(**web: object) -> tuple[int, WebServices]:
            settings = load_settings(node={"data_dir": tmp_path}, web={"port": 0, **web})
            settings.incoming_dir.mkdir(exist_ok=True)
            intake = Intake(settings.incoming_dir, lambda _: None, lambda: None, 1 << 20)
            services = replace(stage.services, settings=settings, intake=intake, look=_not_reached)
            server = WebServer(create_app(services), settings.web)
            server.start()
            stack.callback(server.stop)
            return server.port, services

        yield start


def _not_reached(path: Path, words: tuple[str, str, str]) -> LocalResult:
    raise AssertionError("An upload that is refused at the gate is not looked at.")


def head(path: str, kind: str, length: int, **headers: str) -> bytes:
    lines = {"host": "localhost", "origin": "http://localhost", "content-type": kind, "content-length": str(length)}
    values = "".join(f"{name}: {value}\r\n" for name, value in (lines | headers).items())
    return f"POST {path} HTTP/1.1\r\n{values}\r\n".encode()


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/predict", FORM),
        ("/look", FORM),
        ("/people", FORM),
        ("/people/change", "application/x-www-form-urlencoded"),
        ("/studies/1.2.3/claim", "application/x-www-form-urlencoded"),
        ("/account/password", FORM),
        ("/api/v1/worklist/1.2.3/claim", "application/json"),
        ("/api/dicom-web/studies", TYPE),
    ],
)
def test_a_stranger_is_answered_before_the_body(
    stage: Stage, open_node: Open, sockets: ExitStack, path: str, kind: str
) -> None:
    add_account(stage, "mara", Role.ADMIN)
    port, _ = open_node()
    connection = send(port, sockets, head(path, kind, 60_000))  # and not a byte of it

    assert status(connection.recv(4096)) == 401


def test_a_program_without_the_permission_is_answered_before_the_body(
    stage: Stage, open_node: Open, sockets: ExitStack
) -> None:
    add_account(stage, "robot", Role.SERVICE)
    token = add_token(stage, "robot", Permission.READ)
    port, _ = open_node()

    assert status(send(port, sockets, head("/predict", FORM, 500_000_000, **token)).recv(4096)) == 403


@pytest.mark.parametrize(
    ("path", "kind"), [("/api/dicom-web/studies", TYPE), ("/api/v1/worklist/1.2.3/claim", "application/json")]
)
def test_a_database_that_does_not_answer_the_gate_is_503(
    stage: Stage, open_node: Open, sockets: ExitStack, path: str, kind: str
) -> None:
    port, _ = open_node()
    with stage.services.database.begin() as transaction:
        transaction.execute(sa.text("ALTER TABLE users RENAME TO away"))

    assert status(send(port, sockets, head(path, kind, 600)).recv(4096)) == 503


@pytest.mark.parametrize("path", ["/sign-in", "/welcome/secret", "/people"])
def test_what_is_no_upload_is_short_whatever_it_calls_itself(open_node: Open, sockets: ExitStack, path: str) -> None:
    port, _ = open_node()

    assert status(send(port, sockets, head(path, FORM, 400_000_000)).recv(4096)) == 413
    chunked = head(path, FORM, 0).replace(b"content-length: 0", b"transfer-encoding: chunked")
    connection = send(port, sockets, chunked + (b"8000\r\n" + b"x" * 0x8000 + b"\r\n") * 3)
    assert status(connection.recv(4096)) in (400, 413)


def test_uploads_lie_in_a_folder_of_their_own(open_node: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port, services = open_node(upload_dir=str(tmp_path / "elsewhere"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))  # the system's cannot be used
    url = f"http://localhost:{port}"
    page = httpx2.get(f"{url}/look", trust_env=False).text
    secret = page.partition('name="csrf" value="')[2].partition('"')[0]

    answer = httpx2.post(
        f"{url}/look",
        data={"csrf": secret, "keep": "true"},
        files={"file": ("ct.dcm", sample())},
        headers={"origin": url},
        trust_env=False,
    )

    assert answer.status_code == 303, answer.text
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert wait_until(lambda: not services.upload_space._taken)


def test_uploads_have_a_quota_and_an_address_half_of_it(open_node: Open) -> None:
    port, services = open_node(upload_space_bytes=4 * 40_000)
    url = f"http://localhost:{port}/predict"

    large = httpx2.post(url, files={"file": ("ct.dcm", bytes(90_000))}, trust_env=False)
    small = httpx2.post(url, files={"file": ("ct.dcm", sample())}, trust_env=False)

    assert large.status_code == 503
    assert "web.upload_space_bytes" in large.json()["detail"]
    assert small.status_code == 409  # read, and no package is on
    assert wait_until(lambda: not services.upload_space._taken)


def test_an_upload_for_which_the_disk_has_no_room_is_refused(open_node: Open) -> None:
    port, services = open_node()
    assert services.uploads is not None
    services.uploads.intake.has_room = lambda: False
    answer = httpx2.post(f"http://localhost:{port}/predict", files={"file": ("ct.dcm", sample())}, trust_env=False)
    assert (answer.status_code, "too full" in answer.json()["detail"]) == (503, True)
    assert wait_until(lambda: not services.upload_space._taken)


def _is_taken(services: WebServices, places: int) -> bool:
    return services.storing.taken == places


STALLED = head("/api/dicom-web/studies", TYPE, 1_000_000) + body(sample(), end=False)[:2000]


def test_stalled_uploads_of_one_address_leave_room_for_others(open_node: Open, sockets: ExitStack) -> None:
    port, services = open_node(stall_timeout_s=300.0, max_uploads=4, max_uploads_per_address=2)
    for rows in (1, 2):
        send(port, sockets, STALLED)
        assert wait_until(partial(_is_taken, services, rows))
    assert status(send(port, sockets, STALLED).recv(4096)) == 503

    other = send(port, sockets, head("/api/dicom-web/studies", TYPE, len(body(sample()))), "127.0.0.2")
    other.sendall(body(sample()))

    assert status(other.recv(4096)) == 200


def test_limits_belong_to_one_application(stage: Stage) -> None:
    services = [replace(stage.services) for _ in range(2)]
    for limit in ("storing", "signing_in", "predictions", "upload_space", "password_turn"):
        assert getattr(services[0], limit) is not getattr(services[1], limit)


def test_strangers_that_sign_in_do_not_use_up_the_threads(stage: Stage, connect: Callable[..., object]) -> None:
    services = stage.services
    rows = [services.signing_in.enter("10.0.0.9") for _ in range(40)]

    assert sum(rows) == 8
    assert services.signing_in.enter("10.0.0.7")


@pytest.mark.more
def test_after_a_refusal_a_sender_cannot_go_on_for_ever(stage: Stage, open_node: Open, sockets: ExitStack) -> None:
    add_account(stage, "mara", Role.ADMIN)
    port, _ = open_node(header_timeout_s=1.0)
    connection = send(port, sockets, head("/predict", FORM, 500_000_000))

    assert status(rest(connection)) == 401  # and then the end


@pytest.mark.more
def test_a_stalled_upload_ends(open_node: Open, sockets: ExitStack) -> None:
    port, services = open_node(stall_timeout_s=1.0)

    assert rest(send(port, sockets, STALLED)) == b""
    assert wait_until(lambda: services.storing.taken == 0)
