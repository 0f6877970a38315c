"""Renders the pages of the node from templates: its own, and those beside the module of a page."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request
from jinja2 import BaseLoader, ChoiceLoader, Environment, FileSystemLoader, PackageLoader, TemplateNotFound
from markupsafe import Markup

from miqa_node.core.domain.access import Permission
from miqa_node.core.drawing import Drawing, to_svg
from miqa_node.core.language.catalogue import LANGUAGE, SOURCE, say
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
    """The messages in the scripts of the node's own pages: the arguments of ``say``."""
    scripts = sorted((Path(__file__).parents[1] / "static").rglob("*.js"))
    sources = (script.read_text(encoding="utf-8") for script in scripts if "vendor" not in script.parts)
    return tuple(dict.fromkeys(text for source in sources for text in _SAID.findall(source)))


def svg(drawing: Drawing) -> Markup:
    """A drawing as SVG for the page; ``to_svg`` escapes its text."""
    return Markup(to_svg(drawing))  # noqa: S704


def parts_of_account(request: Request) -> list[Markup]:
    """What pages put onto the page of a person's own account; each has escaped its texts."""
    return [Markup(page.account(request)) for page in PAGES.all().values() if page.account]  # noqa: S704


class _PageTemplates(BaseLoader):
    """Templates beside the module of a page, as ``<name of the page>/<file>``."""

    def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, Callable[[], bool] | None]:
        name, _, file = template.partition("/")
        page = PAGES.all().get(name)
        if page is None or page.folder is None or not file:
            raise TemplateNotFound(template)
        return FileSystemLoader(page.folder).get_source(environment, file)


def _navigation() -> Sequence[tuple[Navigation, Permission]]:
    """The entries of the navigation bar, each with the permission that it requires."""
    pages = [page for page in PAGES.all().values() if page.permission is not None]
    entries = [(page.navigation, page.permission) for page in pages if page.navigation and page.permission]
    return sorted(entries, key=lambda entry: entry[0].order)


def _has_page(name: str) -> bool:
    """Whether this node has the page: a link to one of another feature asks first."""
    return name in PAGES.all()


@cache
def _environment(language: str) -> Environment:
    made = environment(ChoiceLoader([PackageLoader("miqa_node.interfaces.web"), _PageTemplates()]), language)
    made.filters.update(svg=svg)
    made.globals.update(navigation=_navigation, has_page=_has_page, texts=texts)
    return made
