# ruff: noqa: F401, F811 - fixtures of another folder are imported by name
"""Pages behind a TLS proxy: the documented configuration in a real nginx, and people who sign in through it."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
import sqlalchemy as sa
import trustme

from miqa_node.core.domain.access import Role
from miqa_node.core.settings import load_settings
from miqa_node.interfaces.web.app import create_app
from miqa_node.interfaces.web.server import WebServer
from miqa_node.runtime.store.tables import sign_ins
from tests.conftest import free_port
from tests.waiting import LIMIT_S, wait_until
from tests.web.conftest import quick_passwords, stage
from tests.web.people import PASSWORD, add_account
from tests.web.staging import Stage

pytestmark = pytest.mark.peers

ROOT = Path(__file__).parents[2]
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
PUBLIC = "https://miqa.example.org"
PROXY = "127.0.0.2"
"""Where the proxy's own connections come from; for the node it is another machine than its own 127.0.0.1."""

Browse = Callable[[list[str]], httpx2.Client]


@pytest.fixture
def browse(stage: Stage, tmp_path: Path) -> Iterator[Browse]:
    """A browser of the documented address, by nginx, with a node that trusts the given proxies."""
    if NGINX is None:
        pytest.skip("nginx is not installed")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    issued = authority.issue_cert("miqa.example.org", "127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "miqa.pem"))
    issued.private_key_pem.write_to_path(str(tmp_path / "miqa.key"))
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    with ExitStack() as stack:

        def start(trusted: list[str]) -> httpx2.Client:
            web = {"port": 0, "trusted_proxies": trusted, "public_url": PUBLIC if PROXY in trusted else ""}
            web["allowed_hosts"] = ["miqa.example.org"]
            settings = load_settings(node={"data_dir": tmp_path}, web=web)
            server = WebServer(create_app(replace(stage.services, settings=settings)), settings.web)
            server.start()
            stack.callback(server.stop)
            port = free_port()
            stack.callback(_stop, _start(tmp_path, port, server.port))
            client = stack.enter_context(
                httpx2.Client(verify=context, base_url=f"https://127.0.0.1:{port}", trust_env=False, timeout=30)
            )
            client.headers["host"] = "miqa.example.org"
            client.headers["origin"] = "https://miqa.example.org"
            _wait(client)
            return client

        yield start


def _start(folder: Path, port: int, node_port: int) -> subprocess.Popen[bytes]:
    documented = (ROOT / "docs/how-to/nginx.conf").read_text("utf-8")
    for was, becomes in (
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("/etc/nginx/", f"{folder}/"),
        ("proxy_pass http://127.0.0.1:8080", f"proxy_bind {PROXY};\n        proxy_pass http://127.0.0.1:{node_port}"),
    ):
        assert was in documented
        documented = documented.replace(was, becomes)
    temporary = "".join(
        f"{kind}_temp_path {folder}/nginx-{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    configuration = folder / "nginx.conf"
    configuration.write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\nerror_log {folder}/nginx.log;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temporary}{documented}\n}}\n"
    )
    return subprocess.Popen([str(NGINX), "-c", str(configuration), "-p", str(folder)], stderr=subprocess.DEVNULL)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(LIMIT_S)


def _wait(client: httpx2.Client) -> None:
    def answers() -> bool:
        with suppress(httpx2.TransportError):
            assert client.get("/healthz").status_code == 200
            return True
        return False

    wait_until(answers)


def _sign_in(client: httpx2.Client) -> httpx2.Response:
    form = {"name": "mara", "password": PASSWORD, "next": "/"}
    return client.post("/sign-in", data=form)


def test_people_sign_in_through_a_proxy_that_the_node_trusts(stage: Stage, browse: Browse) -> None:
    add_account(stage, "mara", Role.REVIEWER)
    client = browse([PROXY])

    answer = _sign_in(client)

    assert answer.status_code == 303, answer.text
    cookie = answer.headers["set-cookie"]
    assert "Secure" in cookie
    assert answer.headers["strict-transport-security"]
    page = client.get("/", headers={"cookie": cookie.partition(";")[0]})
    assert page.status_code == 200
    assert "mara" in page.text
    with stage.services.database.begin() as transaction:
        addresses = transaction.execute(sa.select(sign_ins.c.peer_address)).scalars().all()
    assert addresses[0] == "127.0.0.1"  # the browser's, not the proxy's


def test_a_proxy_that_is_not_named_gets_the_reason(stage: Stage, browse: Browse) -> None:
    add_account(stage, "mara", Role.REVIEWER)

    answer = _sign_in(browse(["192.0.2.1"]))

    assert answer.status_code == 403
    assert "web.trusted_proxies" in answer.text
