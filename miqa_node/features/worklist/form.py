"""The filter of the worklist page, read from and written to the address of the list."""

from __future__ import annotations

import re
from datetime import timedelta
from enum import StrEnum
from typing import Literal
from urllib.parse import parse_qsl, urlencode

from pydantic import Field, ValidationError

from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.domain.worklist import WorklistState
from miqa_node.core.language.local_time import midnight
from miqa_node.features.worklist.filter import FlaggedImageFilter, WorklistFilter
from miqa_node.features.worklist.rows.worklist.search import UNRESOLVED, WorklistOrder
from miqa_node.interfaces.web.values import NO_CONTROLS, Day

_UID = re.compile(r"[0-9]+(\.[0-9]+){3,}")


class Show(StrEnum):
    """Which states the page lists."""

    UNRESOLVED = "unresolved"
    OPEN = "open"
    CLAIMED = "claimed"
    RESOLVED = "resolved"
    ALL = "all"

    @property
    def states(self) -> tuple[WorklistState, ...]:
        """The states for the store."""
        match self:
            case Show.UNRESOLVED:
                return tuple(UNRESOLVED)
            case Show.ALL:
                return tuple(WorklistState)
            case _:
                return (WorklistState(self.value.upper()),)


class WorklistForm(FlaggedImageFilter):
    """The filter above the list, kept in the page's address; an untouched field is sent empty."""

    show: Show = Show.UNRESOLVED
    order: WorklistOrder = WorklistOrder.NEWEST
    verdict: Literal[""] | Verdict = ""
    assignee: str = Field("", max_length=64, pattern=NO_CONTROLS)
    predictions: bool = False
    """The list of predictions that wait for a person, instead of that of quality."""
    mine: bool = False
    """Only studies claimed by or assigned to the current person."""
    search: str = Field("", max_length=64, pattern=NO_CONTROLS)
    since: Literal[""] | Day = ""
    until: Literal[""] | Day = ""
    after: str = Field("", max_length=120, pattern=NO_CONTROLS)
    before: str = Field("", max_length=120, pattern=NO_CONTROLS)

    def filter(self, name: str) -> WorklistFilter:
        """The filter for the store; ``name`` is the person that ``mine`` refers to, empty if unknown.

        A search text in the form of a UID matches UIDs; any other matches the beginning of names and numbers.
        """
        is_uid = _UID.fullmatch(self.search) is not None
        return WorklistFilter(
            **self.model_dump(include=set(FlaggedImageFilter.model_fields)),
            state=self.show.states,
            verdict=(self.verdict,) if self.verdict else (),
            pending_review=self.predictions,
            claimed_by=(self.mine and name) or self.assignee,
            search="" if is_uid else self.search,
            uid=self.search if is_uid else "",
            since=midnight(self.since) if self.since else None,
            until=midnight(self.until + timedelta(days=1)) if self.until else None,
        )

    def address(self, path: str = "/", **place: str) -> str:
        """The address of the same list, optionally at another position."""
        parameters = self.model_dump(mode="json", exclude={"after", "before"})
        query = {key: "true" if value is True else str(value) for key, value in parameters.items()
                if value and value != _DEFAULTS[key]}  # fmt: skip
        return f"{path}?{urlencode(query | place)}" if query | place else path


def read_form(text: str) -> WorklistForm:
    """The filter in the address of a list; the default one if the address has no known key."""
    try:
        return WorklistForm.model_validate(dict(parse_qsl(text)))
    except ValidationError:
        return WorklistForm()


_DEFAULTS = WorklistForm.model_construct().model_dump(mode="json")
