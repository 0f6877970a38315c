"""Pages of other distributions: in the bar, behind sign-in, with templates and files of their own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from miqa_node import plugins
from miqa_node.core.domain.access import Role
from miqa_node.interfaces.web.app import create_app
from miqa_node.interfaces.web.page import PAGES
from tests.web.people import ORIGIN, add_account
from tests.web.staging import Stage

DOSE = """\
from fastapi import APIRouter
from miqa_node.core.domain.access import Permission
from miqa_node.interfaces.web.access import Who
from miqa_node.interfaces.web.html.pages import render
from miqa_node.interfaces.web.page import Navigation, Page
miqa_api = 1
router, forgotten = APIRouter(), APIRouter()

@router.get("/dose")
def dose(who: Who) -> str:
    return render("dose/dose.html", who=who)

@router.post("/dose")
def change(who: Who) -> str:
    return "changed"

@router.get("/")
def home() -> str:
    return "taken over"

@forgotten.get("/forgotten")
def forget() -> str:
    return "forgotten"

@forgotten.websocket("/socket")
async def socket(socket) -> None: ...

DOSE = Page(router, Permission.READ, __file__, Navigation("Dose", "/dose"))
FORGOTTEN = Page(APIRouter(routes=forgotten.routes[:1]))

def __getattr__(name):
    return Page(forgotten)
"""
TEMPLATE = """\
{% extends "base.html" %}{% set section = "Dose" %}{% block title %}Dose{% endblock %}
{% block main %}<h1>Dose of the day</h1><input name="csrf" value="{{ who.csrf }}">{% endblock %}
"""


@pytest.fixture
def client(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    folder = tmp_path / "site"
    info = folder / "miqa_dose-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: miqa-dose\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(
        "[miqa.pages]\ndose = miqa_dose.page:DOSE\n"
        "forgotten = miqa_dose.page:FORGOTTEN\nsocket = miqa_dose.page:SOCKET\n"
    )
    package = folder / "miqa_dose"
    (package / "static").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "page.py").write_text(DOSE)
    (package / "dose.html").write_text(TEMPLATE)
    (package / "static" / "dose.css").write_text("h1 { color: red }")
    monkeypatch.syspath_prepend(str(folder))
    plugins.allow(["miqa-dose", tmp_path.name])
    yield TestClient(create_app(stage.services), base_url=ORIGIN["origin"], client=("127.0.0.1", 50000))
    plugins.allow(plugins.EVERYTHING)
    for module in [name for name in sys.modules if name.startswith("miqa_dose")]:
        del sys.modules[module]


def test_it_has_its_template_its_files_and_an_entry_in_the_bar(client: TestClient) -> None:
    page = client.get("/dose")

    assert page.headers["content-type"].startswith("text/html")
    assert "<h1>Dose of the day</h1>" in page.text
    assert '<a href="/dose" aria-current="page">Dose</a>' in page.text
    assert '<a href="/dose">Dose</a>' in client.get("/").text
    assert client.get("/static/dose/dose.css").text == "h1 { color: red }"
    assert page.headers["content-security-policy"].startswith("default-src 'none'")


def test_a_page_that_names_no_permission_opens_to_nobody(client: TestClient) -> None:
    assert client.get("/forgotten").status_code == 403


def test_it_cannot_take_an_address_of_the_node_nor_open_a_socket(client: TestClient) -> None:
    assert "taken over" not in client.get("/").text
    reason = next(one.unavailable for one in PAGES.plugins() if one.name == "socket")
    assert "WebSockets and mounts would bypass authentication" in reason


@pytest.mark.more
def test_it_asks_for_its_permission_and_for_a_form_of_this_node(stage: Stage, client: TestClient) -> None:
    assert client.post("/dose", headers=ORIGIN, data={"x": "1"}).status_code == 403
    add_account(stage, "ada", Role.ADMIN)

    assert client.get("/dose", headers={"accept": "application/json"}).status_code == 401
