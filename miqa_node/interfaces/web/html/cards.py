"""Renders the cards of a page: those of its places, with what they need, each asked once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from markupsafe import Markup

from miqa_node.core.domain.access import Principal
from miqa_node.interfaces.web.card import CardContext, PageCard, Place, Subject, cards_of
from miqa_node.interfaces.web.html.pages import render
from miqa_node.interfaces.web.services import WebServices

log = structlog.get_logger(__name__)
NOTHING = Markup()


class PageCards:
    """The cards of one page; a card that fails is logged and left out, and the page stands."""

    def __init__(self, services: WebServices, who: Principal, listed: str = "") -> None:
        self._context = CardContext(services, who, listed)
        self._files: dict[str, None] = {}

    def each(self, place: Place[Subject], subjects: Sequence[Subject]) -> list[Markup]:
        """What stands in the place for each subject in turn."""
        shown = [NOTHING for _ in subjects]
        for name, card in cards_of(place, self._context.who) if subjects else ():
            try:
                for index, html in enumerate(self._rendered(name, card, subjects)):
                    shown[index] += html
            except Exception:  # a guest must not take the page away
                log.exception("a card is not shown", card=name)
        return shown

    def of(self, place: Place[Subject], subject: Subject) -> Markup:
        """What stands in the place for its only subject."""
        return self.each(place, [subject])[0]

    @property
    def head(self) -> Markup:
        """Links to the style sheets and scripts of the cards that are shown so far."""
        return Markup("".join(f"{link}\n" for link in self._files))  # noqa: S704 - names of files

    def _rendered(self, name: str, card: PageCard[Subject], subjects: Sequence[Subject]) -> list[Markup]:
        about = zip(subjects, card.values(self._context, subjects), strict=True)
        shown = [NOTHING if values is None else self._html(name, card, one, values) for one, values in about]
        if any(shown):
            base = f"/static/{name}"
            if card.style:
                self._files[f'<link rel="stylesheet" href="{base}/{card.style}">'] = None
            if card.script:
                self._files[f'<script src="{base}/{card.script}" type="module"></script>'] = None
        return shown

    def _html(self, name: str, card: PageCard[Any], about: object, values: Mapping[str, Any]) -> Markup:
        context = {"who": self._context.who, "listed": self._context.listed, "about": about, **values}
        return Markup(render(f"{name}/{card.template}", **context))  # noqa: S704 - templates escape
