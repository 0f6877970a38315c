"""Cards of other distributions: on the pages of the node, asked once for a page, and gone when they fail."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from miqa_node import plugins
from miqa_node.core.domain.access import Role
from miqa_node.interfaces.web.app import create_app
from miqa_node.interfaces.web.card import EVERY_BAR, PageCard
from tests.web.people import ORIGIN, add_account, sign_in
from tests.web.staging import Stage

CARDS = """\
from miqa_node.api import ACCOUNT, OPERATIONS, STUDY, STUDY_IMAGE, WORKLIST_ROW, PageCard, Permission
miqa_api = 1
asked = []

def rows(context, items):
    asked.append([one.study_instance_uid for one in items])
    return [{"words": "<b>odd</b>"} if int(one.study_instance_uid[-1]) % 2 else None for one in items]

def images(context, subjects):
    asked.append([(one.number, one.is_measured, one.awaits_decision) for one in subjects])
    return [{"words": str(one.number)} for one in subjects]

def broken(context, subjects):
    raise OSError("no printer")

def short(context, subjects):
    return []

def secret(context, subjects):
    asked.append("secret")
    return [{"words": "secret"} for _ in subjects]

ROW = PageCard(WORKLIST_ROW, "words.html", __file__, rows, order=20, script="rows.js", style="rows.css")
FIRST = PageCard(WORKLIST_ROW, "first.html", __file__, order=10)
BROKEN = PageCard(WORKLIST_ROW, "words.html", __file__, broken, order=1)
SHORT = PageCard(WORKLIST_ROW, "words.html", __file__, short, order=2)
IMAGE = PageCard(STUDY_IMAGE, "words.html", __file__, images)
STUDY_CARD = PageCard(STUDY, "study.html", __file__)
ACCOUNT_CARD = PageCard(ACCOUNT, "account.html", __file__)
SECRET = PageCard(OPERATIONS, "words.html", __file__, secret, permission=Permission.ADMIN)
"""
ENTRIES = {
    "row": "ROW", "first": "FIRST", "broken": "BROKEN", "short": "SHORT", "image": "IMAGE",
    "study_card": "STUDY_CARD", "account_card": "ACCOUNT_CARD", "secret": "SECRET",
}  # fmt: skip
TEMPLATES = {
    "words.html": "<i>card: {{ words }}</i>",
    "first.html": "<i>first</i>",
    "study.html": "<i>card of {{ about.study_instance_uid }}, {{ about.modalities | join }}</i>",
    "account.html": "<i>card of {{ who.name or 'nobody' }}</i>",
}


@pytest.fixture
def make(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], TestClient]]:  # fmt: skip
    """Makes clients of an application with the plug-in, by their address."""
    folder = tmp_path / "site"
    info = folder / "miqa_cards-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: miqa-cards\nVersion: 1.2\n")
    lines = [f"{name} = miqa_cards.page:{value}" for name, value in ENTRIES.items()]
    (info / "entry_points.txt").write_text("\n".join(["[miqa.cards]", *lines, ""]))
    package = folder / "miqa_cards"
    (package / "static").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "page.py").write_text(CARDS)
    for name, text in TEMPLATES.items():
        (package / name).write_text(text)
    (package / "static" / "rows.css").write_text("i { color: red }")
    monkeypatch.syspath_prepend(str(folder))
    plugins.allow(["miqa-cards", tmp_path.name])
    app = create_app(stage.services)
    yield lambda address: TestClient(app, base_url=ORIGIN["origin"], client=(address, 50000), follow_redirects=False)
    plugins.allow(plugins.EVERYTHING)
    for module in [name for name in sys.modules if name.startswith("miqa_cards")]:
        del sys.modules[module]


@pytest.fixture
def client(make: Callable[[str], TestClient]) -> TestClient:
    return make("127.0.0.1")


def asked() -> list[object]:
    """What the cards were asked about, and forget it."""
    calls: list[object] = sys.modules["miqa_cards.page"].asked
    so_far = list(calls)
    calls.clear()
    return so_far


def test_a_card_is_asked_once_for_all_rows_of_the_page_and_stands_in_its_own(stage: Stage, client: TestClient) -> None:
    for number in range(1, 5):
        stage.add(number)
    page = client.get("/").text
    assert asked() == [["1.2.3.4", "1.2.3.3", "1.2.3.2"]], "the rows of one page"
    rows = page.split("<li class=")[1:]
    assert ["card: &lt;b&gt;odd" in row for row in rows] == [False, True, False], "values are escaped"
    assert rows[1].index("first") < rows[1].index("odd"), "in their order"
    assert client.get("/", headers={"hx-request": "true"}).text.count("card: ") == 1, "live updates have it, too"


def test_a_card_that_fails_is_logged_and_left_out(
    stage: Stage, client: TestClient, logged: list[MutableMapping[str, object]]
) -> None:
    stage.add(1)
    assert client.get("/").status_code == 200
    failures = [line["card"] for line in logged if line["event"] == "a card is not shown"]
    assert failures == ["broken", "short"], "one that answers for fewer rows than it was asked about fails, too"


def test_its_script_and_style_are_loaded_where_it_is_shown(stage: Stage, client: TestClient) -> None:
    stage.add(2)
    assert "rows.js" not in client.get("/").text, "it has nothing to say of this study"
    stage.add(1)
    head = client.get("/").text.partition("</head>")[0]
    assert '<link rel="stylesheet" href="/static/row/rows.css">' in head
    assert '<script src="/static/row/rows.js" type="module"></script>' in head
    assert client.get("/static/row/rows.css").text == "i { color: red }"


def test_it_stands_on_the_page_of_a_study_and_is_told_of_its_images(stage: Stage, client: TestClient) -> None:
    stage.add(1)
    stage.add(2, study=1)
    page = client.get("/studies/1.2.3.1").text
    assert asked() == [[(1, True, True), (2, True, True)]]
    assert "card of 1.2.3.1, DX" in page
    assert page.index("card: 1") < page.index("card: 2")


def test_it_stands_on_the_pages_of_operations_and_of_one_s_account(
    stage: Stage, make: Callable[..., TestClient]
) -> None:
    assert "card: secret" in make("127.0.0.1").get("/operations").text
    assert "card of nobody" in make("127.0.0.1").get("/account").text
    add_account(stage, "vera", Role.VIEWER)
    viewer = make("10.0.0.7")
    sign_in(viewer, "vera")
    asked()
    assert "secret" not in viewer.get("/operations").text
    assert asked() == [], "nor is a card asked that the person may not see"
    assert "card of vera" in viewer.get("/account").text


def test_what_stands_on_every_page_costs_nothing() -> None:
    with pytest.raises(ValueError, match="every_bar has no values"):
        PageCard(EVERY_BAR, "note.html", __file__, lambda _context, subjects: [{} for _ in subjects])
