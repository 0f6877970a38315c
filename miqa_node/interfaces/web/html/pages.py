"""Renders the pages of the node from templates: its own, and those beside the module of a page."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import BaseLoader, ChoiceLoader, Environment, FileSystemLoader, PackageLoader, TemplateNotFound
from markupsafe import Markup

from miqa_node.core.domain.access import Permission, Principal
from miqa_node.core.drawing import Drawing, to_svg
from miqa_node.core.language.catalogue import LANGUAGE, SOURCE, say
from miqa_node.interfaces.web.card import CARDS, EVERY_BAR, EVERY_HEAD, cards_of
from miqa_node.interfaces.web.html.environment import environment
from miqa_node.interfaces.web.page import PAGES, Navigation

_SAID = re.compile(r'\bsay\("([^"]+)"')


def render(template: str, **values: Any) -> str:
    """One page as HTML; a missing template variable is an error.

    Every page needs ``who`` (domain.access.Principal, or None before sign-in) for the bar at the top.
    """
    return _environment(LANGUAGE.get()).get_template(template).render(values)


def texts() -> Mapping[str, str]:
    """The messages of the page's scripts in its language; empty for English."""
    if LANGUAGE.get() == SOURCE:
        return {}
    return {text: translation for text in script_texts() if (translation := say(text)) != text}


@cache
def script_texts() -> tuple[str, ...]:
    """The messages in the scripts of pages and cards: the arguments of ``say``."""
    folders = dict.fromkeys([Path(__file__).parents[1], *filter(None, map(folder_of, (*PAGES.all(), *CARDS.all())))])
    scripts = [script for folder in folders for script in sorted((folder / "static").rglob("*.js"))]
    sources = (script.read_text(encoding="utf-8") for script in scripts if "vendor" not in script.parts)
    return tuple(dict.fromkeys(text for source in sources for text in _SAID.findall(source)))


def svg(drawing: Drawing) -> Markup:
    """A drawing as SVG for the page; ``to_svg`` escapes its text."""
    return Markup(to_svg(drawing))  # noqa: S704


def folder_of(name: str) -> Path | None:
    """Where templates and files of a page, or of a card, lie; None for pages without any."""
    page = PAGES.all().get(name)
    if page is not None and page.folder is not None:
        return page.folder
    card = CARDS.all().get(name)
    return None if card is None else card.folder


class _PageTemplates(BaseLoader):
    """Templates beside the module of a page or card, as ``<its name>/<file>``."""

    def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, Callable[[], bool] | None]:
        name, _, file = template.partition("/")
        folder = folder_of(name)
        if folder is None or not file:
            raise TemplateNotFound(template)
        return FileSystemLoader(folder).get_source(environment, file)


def _navigation() -> Sequence[tuple[Navigation, Permission]]:
    """The entries of the navigation bar, each with the permission that it requires."""
    pages = [page for page in PAGES.all().values() if page.permission is not None]
    entries = [(page.navigation, page.permission) for page in pages if page.navigation and page.permission]
    return sorted(entries, key=lambda entry: entry[0].order)


def _cards_of_every_page(place: str, who: Principal | None) -> Sequence[str]:
    """The templates of what stands in a place of every page."""
    place_of = {one.name: one for one in (EVERY_BAR, EVERY_HEAD)}
    return [f"{name}/{card.template}" for name, card in cards_of(place_of[place], who)]


@cache
def _environment(language: str) -> Environment:
    made = environment(ChoiceLoader([PackageLoader("miqa_node.interfaces.web"), _PageTemplates()]), language)
    made.filters.update(svg=svg)
    made.globals.update(navigation=_navigation, cards_of_every_page=_cards_of_every_page, texts=texts)
    return made
