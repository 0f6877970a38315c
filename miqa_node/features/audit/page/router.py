"""The administrator's view of the audit trail, newest records first."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from miqa_node.core.domain.access import Permission
from miqa_node.core.domain.audit import AuditEvent, AuditFilter
from miqa_node.core.language.local_time import midnight
from miqa_node.interfaces.web.access import Admin
from miqa_node.interfaces.web.card import PEOPLE_CHANGES, PageCard
from miqa_node.interfaces.web.html.pages import render
from miqa_node.interfaces.web.page import Page, Trait
from miqa_node.interfaces.web.services import Services
from miqa_node.runtime.people.audit import records

router = APIRouter()


class AuditForm(BaseModel):
    """The filters; days are whole days in the site's zone; ``before`` is the last number of the page before."""

    event: AuditEvent | None = None
    by: Annotated[str, Field(max_length=64)] = ""
    study: Annotated[str, Field(max_length=64)] = ""
    patient: Annotated[str, Field(max_length=64)] = ""
    authority: Annotated[str, Field(max_length=256)] = ""
    since: Annotated[str, Field(pattern=r"^(\d{4}-\d\d-\d\d)?$")] = ""
    until: Annotated[str, Field(pattern=r"^(\d{4}-\d\d-\d\d)?$")] = ""
    before: Annotated[int, Field(ge=0, le=2**62)] = 0

    def chosen(self, limit: int) -> AuditFilter:
        """The filter for the store."""
        return AuditFilter(
            self.event or "",
            self.by.strip(),
            self.study.strip(),
            self.patient.strip(),
            _midnight(self.since, 0),
            _midnight(self.until, 1),
            self.before,
            limit,
            self.authority.strip() or None,
        )

    def older(self, number: int) -> str:
        """The address of the records before one."""
        parameters = {name: str(value) for name, value in self.model_dump(mode="json").items() if value}
        return "/audit?" + urlencode({**parameters, "before": number})


@router.get("/audit")
def audit_page(services: Services, who: Admin, query: Annotated[AuditForm, Query()]) -> str:
    """The records that match, with their place in the chain."""
    limit = services.settings.web.page_size
    with services.database.begin() as transaction:
        rows = records.select(transaction, query.chosen(limit + 1))
    more = len(rows) > limit
    shown = rows[:limit]
    return render(
        "audit/audit.html",
        who=who,
        form=query,
        events=list(AuditEvent),
        shown=[(row, datetime.fromisoformat(row.at), records.words(row)) for row in shown],
        older=query.older(shown[-1].number) if more and shown[-1].number else None,
    )


def _midnight(day: str, days_later: int) -> str:
    try:
        return records.moment(midnight(date.fromisoformat(day) + timedelta(days=days_later)))
    except (ValueError, OverflowError):  # not a day, or not in the calendar
        return ""


PAGE = Page(router, Permission.ADMIN, file=__file__, traits={"/audit": Trait.AUDIT_TRAIL})
LINK = PageCard(PEOPLE_CHANGES, "link.html", __file__)
"""On the page of accounts, whose changes are a part of the trail."""
