"""The seam ``miqa.cards``: what a feature shows on a page of another, without either knowing the other.

A page has *places*, and each is about something: a study, one of its images, a row of the worklist. A card names its
place and is asked once for each page what it has to show for everything in that place, so a list costs a card one
statement, however many rows it has. Templates and a folder ``static`` lie beside the module of the card, as with pages
(page.py); a card of the same name as a page lies in the folder of that page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from miqa_node.core.domain.access import Permission, Principal
from miqa_node.core.domain.instance import StoredInstance, StudyInstanceUid
from miqa_node.core.domain.worklist import WorklistItem
from miqa_node.interfaces.web.services import WebServices
from miqa_node.plugins import Seam

Subject = TypeVar("Subject")


@dataclass(frozen=True, slots=True)
class StudyOnPage:
    """The study of a page, and the modalities of its images."""

    study_instance_uid: StudyInstanceUid
    modalities: frozenset[str]


@dataclass(frozen=True, slots=True)
class ImageOnPage:
    """One image, or one series, of the page of its study; ``number`` counts from 1."""

    number: int
    instance: StoredInstance
    is_measured: bool
    is_stack: bool
    """It has several slices or frames."""
    awaits_decision: bool
    """The decision that the page asks for is about it."""


@dataclass(frozen=True, slots=True)
class NumberOfImage:
    """A measurement with a limit in the panel of an image; ``unit`` in UCUM."""

    instance: StoredInstance
    measurement: str
    unit: str


@dataclass(frozen=True, slots=True)
class NumberOnPage:
    """A figure above the worklist, such as ``in_work``."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class CardContext:
    """The page on which cards stand: its services, who looks at it, and the list from which it was opened.

    Cards begin a transaction of their own, so that one that fails leaves the page as it is.
    """

    services: WebServices
    who: Principal
    listed: str = ""


@dataclass(frozen=True, slots=True)
class Place(Generic[Subject]):
    """Where cards stand. Its subjects are what they are about, one of them or many; None for a page as a whole."""

    name: str
    has_data: bool = True
    """False for places of every page, which must cost no statement: what stands there loads itself."""


EVERY_BAR: Place[None] = Place("every_bar", has_data=False)
"""At the end of the bar of every page."""
EVERY_HEAD: Place[None] = Place("every_head", has_data=False)
"""Between the bar and the content of every page."""
STUDY: Place[StudyOnPage] = Place("study")
"""Below the images of a study, after its comments."""
STUDY_ACTIONS: Place[StudyOnPage] = Place("study_actions")
"""What can be done with the whole study, before its events."""
STUDY_PICTURE: Place[ImageOnPage] = Place("study_picture")
"""Below the picture of an image."""
STUDY_IMAGE: Place[ImageOnPage] = Place("study_image")
"""Among what was found in an image."""
STUDY_NUMBER: Place[NumberOfImage] = Place("study_number")
"""Beside a number of the panel of an image."""
WORKLIST: Place[None] = Place("worklist")
"""Above the list."""
WORKLIST_NUMBER: Place[NumberOnPage] = Place("worklist_number")
"""In place of a figure above the list, which is plain without it: the figure as a link."""
WORKLIST_ROW: Place[WorklistItem] = Place("worklist_row")
"""At the end of the row of a study."""
OPERATIONS: Place[None] = Place("operations")
"""Beside jobs, models and disk."""
ACCOUNT: Place[None] = Place("account")
"""Below the settings of one's own account."""
PEOPLE_CHANGES: Place[None] = Place("people_changes")
"""Above the changes of accounts."""
MODEL_WATCH: Place[None] = Place("model_watch")
"""Before the drift of the findings."""
LABEL_COUNTS: Place[int] = Place("label_counts")
"""Beside the shares of images that are read again; about the second readings that wait."""
LABEL_USES: Place[None] = Place("label_uses")
"""Below the figures of labels: what can be made of them."""


def every(_context: CardContext, subjects: Sequence[Any]) -> Iterable[Mapping[str, Any]]:
    """The values of a card that needs none and is shown for every subject."""
    return [{} for _ in subjects]


@dataclass(frozen=True, slots=True)
class PageCard(Generic[Subject]):
    """What is shown in a place.

    ``values`` gives for each subject in turn what the template needs beside ``who``, ``listed`` and ``about`` (the
    subject), or None where the card is not shown. It is called once for a page, and not at all without a subject or
    for people who lack the permission. Cards of a place stand in their ``order``.
    """

    place: Place[Subject]
    template: str
    file: str
    """``__file__`` of its module."""
    values: Callable[[CardContext, Sequence[Subject]], Iterable[Mapping[str, Any] | None]] = every
    permission: Permission | None = None
    """Who sees it; None for everybody who may open the page."""
    order: int = 100
    script: str = ""
    """A module in the folder ``static`` that the page loads when the card is shown."""
    style: str = ""
    """A style sheet in the same folder."""

    def __post_init__(self) -> None:
        if not self.place.has_data and (self.values is not every or self.script or self.style):
            raise ValueError(f"A card of {self.place.name} has no values: let its template load what it shows.")

    @property
    def folder(self) -> Path:
        """The folder of its template."""
        return Path(self.file).parent


CARDS: Seam[PageCard[Any]] = Seam("cards", PageCard)


def cards_of(place: Place[Subject], who: Principal | None) -> Sequence[tuple[str, PageCard[Subject]]]:
    """The cards of a place that a person sees, with their names, in their order."""
    here = [(name, card) for name, card in CARDS.all().items() if card.place == place]
    open_to = [one for one in here if one[1].permission is None or (who is not None and who.may(one[1].permission))]
    return sorted(open_to, key=lambda one: one[1].order)
