"""The list of all images, including accepted and not assessed ones, for searching and browsing by day."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal, Self
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from pydantic import Field, ValidationInfo, field_validator, model_validator

from miqa_node.core.domain.access import Permission
from miqa_node.core.domain.codes import REASON_CODES
from miqa_node.core.domain.instance import ANY_UID
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.language.local_time import instant, local, midnight
from miqa_node.features.worklist.rows import browse
from miqa_node.features.worklist.rows.browse import ExposureFilter, ImageFilter, ImageRow
from miqa_node.interfaces.web.access import Reader
from miqa_node.interfaces.web.html.pages import render
from miqa_node.interfaces.web.page import Navigation, Page
from miqa_node.interfaces.web.services import Services
from miqa_node.interfaces.web.values import NO_CONTROLS, Day, Strict

DAYS = 7
"""Without days the list shows the last week."""
COLUMNS = {"room": "Room", "station": "Station", "operator": "Operator", "body_part": "Body part", "view": "View",
           "shift": "Shift", "reason": "Reason"}  # fmt: skip
"""What exposures of the reject analysis can be narrowed by, in words."""
Column = Literal["room", "station", "operator", "body_part", "view", "shift", "reason"]
Text = Annotated[str, Field(max_length=64, pattern=NO_CONTROLS)]

_PLACE = re.compile(r"([0-9T:.\-+]{19,32})~([0-9a-f]{64})")

router = APIRouter()


class ImagesForm(Strict):
    """The filter above the list, kept in the page's address; an untouched field is sent empty."""

    search: str = Field("", max_length=64, pattern=NO_CONTROLS)
    verdict: Literal[""] | Verdict = ""
    modality: str = Field("", max_length=16, pattern=NO_CONTROLS)
    series: str = Field("", pattern=f"^({ANY_UID})?$")
    """A series, whose slices are rows of their own."""
    exposures: Literal["", "all", "rejected"] = ""
    """The exposures that the reject analysis counts: days are those of the acquisition, and the columns narrow them.

    A column alone narrows all of them.
    """
    room: Text = ""
    station: Text = ""
    operator: Text = ""
    body_part: Text = ""
    view: Text = ""
    shift: Text = ""
    reason: Text = ""
    without: Literal[""] | Column = ""
    """A column that says nothing."""
    since: Literal[""] | Day = ""
    until: Literal[""] | Day = ""
    before: str = Field("", max_length=120, pattern=NO_CONTROLS)

    @field_validator("without")
    @classmethod
    def _is_no_value(cls, without: str, info: ValidationInfo) -> str:
        """No exposure has a value of a column that says nothing."""
        if without and info.data.get(without):
            raise ValueError("another field gives this column a value")
        return without

    @model_validator(mode="after")
    def _of_exposures(self) -> Self:
        """Columns are those of exposures: without a choice they narrow all."""
        if self.narrowed and not self.exposures:
            self.exposures = "all"
        return self

    def days(self, today: date) -> tuple[date, date]:
        """First and last day."""
        since = self.since if isinstance(self.since, date) else None
        last = self.until if isinstance(self.until, date) else max(today, since or today)
        first = since or last - timedelta(days=DAYS - 1)
        return min(first, last), max(first, last)

    @property
    def narrowed(self) -> dict[str, str]:
        """The columns of exposures that must have a value, empty if they must have none."""
        values = {name: value for name in COLUMNS if (value := getattr(self, name))}
        return {**values, self.without: ""} if self.without else values

    @property
    def exposure_fields(self) -> dict[str, str]:
        """The fields about exposures that are filled in."""
        return {name: value for name in ("exposures", "without", *COLUMNS) if (value := getattr(self, name))}

    def exposed(self, first: date, last: date) -> ExposureFilter | None:
        """The exposures to list; None if the list is of images by their arrival."""
        if not self.exposures:
            return None
        values = {"reject_reason" if name == "reason" else name: value for name, value in self.narrowed.items()}
        return ExposureFilter(first, last + timedelta(days=1), values, self.exposures == "rejected")

    def address(self, **other: str) -> str:
        """The address of the same list with some fields changed."""
        parameters = self.model_dump(mode="json", exclude={"before"}) | other
        query = {key: str(value) for key, value in parameters.items() if value}
        return "/images" + (f"?{urlencode(query)}" if query else "")


@router.get("/images")
def images_page(services: Services, who: Reader, query: Annotated[ImagesForm, Query()]) -> str:
    """Images of some days, newest first."""
    first, last = query.days(local(datetime.now(UTC)).date())
    match = ImageFilter(
        midnight(first),
        midnight(last + timedelta(days=1)),
        query.verdict or None,
        query.modality.strip(),
        query.search.strip(),
        query.series,
        query.exposed(first, last),
    )
    size = services.settings.web.page_size
    with services.database.begin() as transaction:
        rows = browse.page(transaction, match, limit=size + 1, before=_place(query.before))
        counted = browse.counts(transaction, match)
    return render(
        "images/images.html",
        who=who,
        query=query,
        first=first,
        last=last,
        rows=rows[:size],
        counted=counted,
        verdicts=list(Verdict),
        columns=COLUMNS,
        reasons={code.value: code.meaning for code in REASON_CODES.values()},
        next=query.address(before=_text(rows[size - 1])) if len(rows) > size else "",
    )


def _text(row: ImageRow) -> str:
    return f"{row.received_at.isoformat()}~{row.digest}"


def _place(text: str) -> tuple[datetime, str] | None:
    match = _PLACE.fullmatch(text)
    if match is None or (at := instant(match[1])) is None:
        return None
    return at, match[2]


PAGE = Page(router, Permission.READ, file=__file__, navigation=Navigation("Images", "/images", 1))
