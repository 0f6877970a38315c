"""Each optional feature is taken out: the pages that are left open without error, and without a trace of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from miqa_node import built_in, plugins
from miqa_node.core.domain.verdict import Verdict
from miqa_node.interfaces.web.app import create_app
from miqa_node.interfaces.web.card import CARDS
from miqa_node.interfaces.web.page import PAGES
from miqa_node.runtime.store import tables
from tests.web.people import ORIGIN
from tests.web.staging import NOW, Stage

ALL = built_in.FEATURES
MANY = {"accounts", "labels", "limits", "mammogram_pairs", "notices", "operations", "reassess", "retention"}
OPEN = {"/": "", "/studies/1.2.3.1": "", "/operations": "operations", "/account": "accounts", "/people": "accounts"}
"""Pages with places for cards, and the feature without which each is gone."""
FOLDER = Path(built_in.__file__).parent
OPTIONAL = [one for one in built_in.FEATURES if one != "worklist"]
LINK = re.compile(r'(?:href|src|action|formaction|hx-get|hx-post)="(/[^"?#]*)')


@pytest.fixture
def take_out(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], TestClient]]:
    """The application without a feature; with all of them for an empty name."""
    mail = stage.services.settings.notices.model_copy(update={"smtp_host": "127.0.0.1", "sender": "miqa@miqa.example"})
    policy = stage.services.settings.policy.model_copy(update={"silent_days": 7.0})
    archives = stage.services.settings.retention.model_copy(update={"archives": ("PACS",)})
    changed = {"notices": mail, "policy": policy, "retention": archives}
    services = type(stage.services)(
        stage.services.database, stage.services.objects, stage.services.settings.model_copy(update=changed), list
    )

    def without(feature: str) -> TestClient:
        monkeypatch.setattr(built_in, "FEATURES", tuple(one for one in ALL if one != feature))
        plugins.allow(("*", f"without-{feature}"))  # seams are found anew for other patterns
        return TestClient(create_app(services), ORIGIN["origin"], client=("127.0.0.1", 50000), follow_redirects=False)

    yield without
    plugins.allow(plugins.EVERYTHING)


def fill(stage: Stage) -> None:
    """A study with a flagged, an accepted and a removed mammogram; each feature has something to say of it."""
    stage.add(1)
    stage.add(3, Verdict.ACCEPT, study=1)
    _, removed = stage.add(2, Verdict.ACCEPT, study=1)
    with stage.services.database.begin() as transaction:
        of_instances = tables.instances
        transaction.execute(
            sa.update(of_instances).values(
                header=sa.func.replace(sa.cast(of_instances.c.header, sa.Text), '"DX"', '"MG"'), modality="MG"
            )
        )
        transaction.execute(
            sa.update(of_instances).where(of_instances.c.digest == removed).values(removed_at=NOW, removal_cause="age")
        )


def of(feature: str, seam: plugins.Seam[plugins.T]) -> dict[str, plugins.T]:
    """What a feature has for a seam."""
    begin = f"miqa_node.features.{feature}."
    places = built_in.places_of(seam.name)
    return {name: one for name, one in seam.all().items() if places.get(name, "").startswith(begin)}


def words(html: str) -> set[str]:
    """The longer texts of a template or page that stand between its tags."""
    plain = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "<>", html, flags=re.DOTALL)
    return {text.strip() for text in re.findall(r">([^<>]{8,})<", plain) if text.strip()}


def words_of(templates: Iterable[Path]) -> set[str]:
    """Those of several templates."""
    return {text for path in templates for text in words(path.read_text("utf-8"))}


@pytest.mark.parametrize("feature", sorted(MANY))
def test_with_it_its_cards_are_there(stage: Stage, take_out: Callable[[str], TestClient], feature: str) -> None:
    """So the test above looks at pages that had something to lose."""
    fill(stage)
    client = take_out("")
    pages = [client.get(path).text for path in OPEN]
    rests = [take_out(feature).get(path).text for path in OPEN]
    assert any(len(whole) > len(rest) for whole, rest in zip(pages, rests, strict=True))


@pytest.mark.more
@pytest.mark.parametrize("feature", OPTIONAL)
def test_the_pages_that_are_left_open_without_a_trace_of_it(
    stage: Stage, take_out: Callable[[str], TestClient], feature: str
) -> None:
    fill(stage)
    take_out("")
    routes = [route for page in of(feature, PAGES).values() for route in page.router.routes]
    addresses = [route.path_regex for route in routes if isinstance(route, APIRoute)]
    templates = [Path(card.file).with_name(card.template) for card in of(feature, CARDS).values()]
    others = [path for path in FOLDER.rglob("*.html") if path not in templates]
    own_words = words_of(templates) - words_of(others)
    client = take_out(feature)
    assert not of(feature, CARDS)
    for path, owner in OPEN.items():
        answer = client.get(path)
        assert answer.status_code == (HTTPStatus.NOT_FOUND if owner == feature else HTTPStatus.OK), path
        remainder = [
            route for page in PAGES.all().values() for route in page.router.routes if isinstance(route, APIRoute)
        ]
        for link in LINK.findall(answer.text):
            is_answered = any(route.path_regex.match(link) for route in remainder) or link.startswith("/static/")
            assert is_answered or not any(one.match(link) for one in addresses), (path, link)
        assert not own_words & words(answer.text), path
