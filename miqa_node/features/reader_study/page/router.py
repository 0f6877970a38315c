"""Reader studies: each reader reads the drawn images in an individual order, blinded first."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Path, Response
from fastapi.responses import RedirectResponse

from miqa_node.core.domain.access import Permission, Principal
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.study_protocol import PROTOCOL_NAME, Grade
from miqa_node.errors import ConflictError
from miqa_node.features.reader_study import rows as reader_studies
from miqa_node.features.reader_study.protocol import ReaderStudyProtocol, read_protocol
from miqa_node.features.reader_study.rows import StudyReading
from miqa_node.features.reader_study.selection import next_image, progress, second_reading_from
from miqa_node.interfaces.web.access import Reviewer
from miqa_node.interfaces.web.html.pages import render
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.readings import READING, Rating, meanings
from miqa_node.interfaces.web.services import Services
from miqa_node.runtime.store.database import Transaction

router = APIRouter()

StudyName = Annotated[str, Path(pattern=f"^{PROTOCOL_NAME}$")]


@router.get("/reader-studies")
def studies_page(services: Services, who: Reviewer) -> str:
    """The studies that this reader takes part in."""
    rows = []
    with services.database.begin() as transaction:
        for study in reader_studies.select(transaction):
            protocol = read_protocol(study.protocol)
            if who.name in protocol.readers:
                images = reader_studies.images(transaction, study.name)
                missing = progress(protocol, images, reader_studies.readings(transaction, study.name, who.name))
                own = sum(number for (reader, _), number in missing.items() if reader == who.name)
                rows.append((study, protocol, len(images), own))
    return render("reader_study/list.html", who=who, studies=rows)


@router.get("/reader-studies/{name}")
def reading_page(services: Services, who: Reviewer, name: StudyName) -> str:
    """The next image of this reader."""
    now = datetime.now(UTC)
    with services.database.begin() as transaction:
        protocol = _protocol_for(transaction, name, who)
        own = reader_studies.readings(transaction, name, who.name)
        images = reader_studies.images(transaction, name)
    arm, image, remaining = next_image(protocol, images, own, who.name, now)
    waits = bool(images) and image is None and remaining > 0
    return render(
        "reader_study/reading.html",
        who=who,
        protocol=protocol,
        arm=arm,
        image=image,
        remaining=remaining,
        drawn=len(images),
        rests_until=second_reading_from(protocol, own) if waits else None,
        **READING,
    )


@router.post("/reader-studies/{name}")
def answer(
    services: Services,
    who: Reviewer,
    name: StudyName,
    digest: Annotated[str, Form(pattern=r"^[0-9a-f]{64}$")],
    grade: Annotated[Grade, Form()],
    rating: Rating,
    reason: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """Store a reading; only this reader's next image can be read."""
    now = datetime.now(UTC)
    reasons = meanings(reason)
    with services.database.begin() as transaction:
        protocol = _protocol_for(transaction, name, who)
        own = reader_studies.readings(transaction, name, who.name)
        arm, image, _ = next_image(protocol, reader_studies.images(transaction, name), own, who.name, now)
        if image is None or image.digest != digest:
            raise ConflictError("This is not your next image; it may have been read in another window.")
        reading = StudyReading(InstanceDigest(digest), who.name, arm, grade.value, rating, reasons, now)
        reader_studies.read(transaction, name, reading)
    return RedirectResponse(f"/reader-studies/{name}", HTTPStatus.SEE_OTHER)


def _protocol_for(transaction: Transaction, name: str, who: Principal) -> ReaderStudyProtocol:
    protocol = read_protocol(reader_studies.find(transaction, name).protocol)
    if who.name not in protocol.readers:
        raise HTTPException(HTTPStatus.FORBIDDEN, "The protocol does not name you as a reader of this study.")
    return protocol


PAGE = Page(router, Permission.REVIEW, file=__file__)
