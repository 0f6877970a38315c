# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
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
from miqa_node.core.domain.policy import Verdict
from miqa_node.interfaces.web.app import create_app
from miqa_node.interfaces.web.card import CARDS
from miqa_node.interfaces.web.page import PAGES
from miqa_node.runtime.store import tables
from tests.web.people import ORIGIN
from tests.web.staging import NOW, Stage
from tests.web.test_features_taken_out import ALL, OPEN, fill, take_out

FOLDER = Path(built_in.__file__).parent


OPTIONAL = [one for one in built_in.FEATURES if one != "worklist"]


LINK = re.compile(r'(?:href|src|action|formaction|hx-get|hx-post)="(/[^"?#]*)')


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
