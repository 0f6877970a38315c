"""The REST interface to the audit trail; reading it is recorded, too."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from miqa_node.core.domain.access import Permission
from miqa_node.core.domain.audit import AuditEvent, AuditFilter
from miqa_node.interfaces.web.access import Admin
from miqa_node.interfaces.web.page import Page, Trait
from miqa_node.interfaces.web.problems import responses
from miqa_node.interfaces.web.services import Services
from miqa_node.interfaces.web.values import NO_CONTROLS, Moment, Strict
from miqa_node.runtime.people.audit import records

router = APIRouter(prefix="/api/v1/audit", tags=["audit"])


class AuditQuery(Strict):
    """The filter; omitted fields match everything."""

    event: AuditEvent | None = None
    by: str = Field("", max_length=64, pattern=NO_CONTROLS, description="Account, AE title or login.")
    study: str = Field("", max_length=64, pattern=NO_CONTROLS, description="Study Instance UID.")
    patient: str = Field("", max_length=64, pattern=NO_CONTROLS, description="Patient ID, unless erased.")
    authority: str | None = Field(
        None, max_length=256, pattern=NO_CONTROLS, description="Who assigned the Patient ID; omitted is whoever did."
    )
    since: Moment | None = None
    until: Moment | None = None
    before: int = Field(0, ge=0, le=2**62, description="Only records with smaller numbers: the next page.")
    limit: int = Field(100, ge=1, le=1000)


@router.get("", summary="Records of the audit trail", responses=responses(401, 403, 422, 503))
def list_records(services: Services, _who: Admin, query: Annotated[AuditQuery, Query()]) -> list[dict[str, Any]]:
    """Newest first, as `miqa-node audit show --json` prints them; `number` is 0 until a record is sealed."""
    chosen = AuditFilter(
        query.event or "", query.by, query.study, query.patient,
        records.moment(query.since) if query.since else "", records.moment(query.until) if query.until else "",
        query.before, query.limit, query.authority,
    )  # fmt: skip
    with services.database.begin() as transaction:
        rows = records.select(transaction, chosen)
    return [{**asdict(row), "detail": json.loads(row.detail)} for row in rows]


PAGE = Page(router, Permission.ADMIN, rest=True, traits={"/api/v1/audit": Trait.AUDIT_TRAIL})
