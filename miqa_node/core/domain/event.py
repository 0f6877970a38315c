"""Events for webhooks about images, studies and the node: identifiers, verdicts and reasons, no patient data."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from miqa_node.core.domain.judgement import Judgement
from miqa_node.core.domain.prediction import DECISION_SUPPORT, Prediction
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.domain.worklist import Resolution

ID_PREFIX = "evt_"


class EventType(StrEnum):
    """The events of the node, as webhooks name them (docs/how-to/webhooks.md)."""

    IMAGE_ASSESSED = "image.assessed"
    STUDY_FLAGGED = "study.flagged"
    STUDY_PASSED = "study.passed"
    STUDY_RESOLVED = "study.resolved"
    NODE_PAUSED = "node.paused"
    NODE_RESUMED = "node.resumed"


DEFAULT_EVENTS = (EventType.STUDY_FLAGGED, EventType.STUDY_PASSED)
"""The events that a webhook gets by default."""


@dataclass(frozen=True, slots=True)
class StudyStanding:
    """A study's images by verdict, the number that need review, and the number without a verdict yet."""

    study_instance_uid: str
    verdicts: Mapping[Verdict, int]
    flagged: int
    waiting: int

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of any image."""
        return max(self.verdicts, key=lambda verdict: verdict.rank, default=Verdict.NOT_ASSESSED)

    @property
    def has_passed(self) -> bool:
        """An image was accepted, none is flagged and none waits; images that could not be assessed are ignored."""
        return bool(self.verdicts.get(Verdict.ACCEPT)) and not self.flagged and not self.waiting


@dataclass(frozen=True, slots=True)
class EventOrigin:
    """The node that sends events: its name, its site, the address of its pages, and the language of results."""

    node: str = ""
    site: str = ""
    url: str = ""
    language: str = "en"


def new_event_id() -> str:
    """The identifier of an event, by which receivers recognise duplicates."""
    return f"{ID_PREFIX}{uuid.uuid4().hex}"


def event_body(
    event_id: str,
    event_type: EventType,
    occurred_at: datetime,
    sequence: int,
    origin: EventOrigin,
    standing: StudyStanding,
    image: Mapping[str, Any] | None = None,
    resolution: Resolution | None = None,
) -> dict[str, Any]:
    """The JSON of one event; ``sequence`` counts the events of a study, so that a late one can be detected."""
    uid = quote(standing.study_instance_uid, safe="")
    study = {
        "study_instance_uid": standing.study_instance_uid,
        "verdict": standing.verdict.value,
        "images": {verdict.value: standing.verdicts.get(verdict, 0) for verdict in Verdict},
        "flagged_images": standing.flagged,
        "waiting_images": standing.waiting,
        "links": {
            "page": f"{origin.url}/studies/{uid}",
            "instances": f"{origin.url}/api/v1/instances/{uid}",
            "results": f"{origin.url}/api/dicom-web/studies/{uid}/instances",
        },
    }
    data = {
        "sequence": sequence,
        "study": study,
        "image": dict(image) if image is not None else None,
        "resolution": resolution.value if resolution is not None else None,
    }
    return _body(event_id, event_type, occurred_at, origin, data)


def node_event_body(
    event_id: str, event_type: EventType, occurred_at: datetime, origin: EventOrigin, reason: str
) -> dict[str, Any]:
    """The JSON of an event about the node itself; ``reason`` is why it judges no images, empty if it does again."""
    data = {"reason": reason, "links": {"status": f"{origin.url}/operations"}}
    return _body(event_id, event_type, occurred_at, origin, data)


def _body(
    event_id: str, event_type: EventType, occurred_at: datetime, origin: EventOrigin, data: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "id": event_id,
        "type": event_type.value,
        "timestamp": occurred_at.isoformat(timespec="milliseconds"),
        "data": {"node": origin.node, "site": origin.site, **data},
    }


def image_body(judgement: Judgement) -> dict[str, Any]:
    """The part of an event about an image, or about the last slice of a series."""
    header, assessment, disposition = judgement.instance.header, judgement.assessment, judgement.disposition
    model = assessment.model
    automated = [one for one in assessment.predictions if one.automated_by]
    return {
        "sop_instance_uid": header.sop_instance_uid,
        "sop_class_uid": header.sop_class_uid,
        "series_instance_uid": header.series_instance_uid,
        "modality": header.modality,
        "body_part": header.body_part_examined,
        "view": header.view_position,
        "verdict": disposition.verdict.value,
        "score": None if assessment.score is None else round(assessment.score, 1),
        "reasons": [
            {
                "name": reason.name,
                "text": reason.text,
                "code": {"value": reason.code.value, "scheme": reason.code.scheme, "meaning": reason.code.meaning},
            }
            for reason in disposition.reasons
        ],
        "policy": disposition.policy_version,
        **({"predictions": [_prediction(one) for one in automated]} if automated else {}),
        "model": {"name": model.name, "version": model.version, "sha256": model.sha256} if model else None,
    }


def _prediction(prediction: Prediction) -> dict[str, Any]:
    """A prediction that a certificate of the site automates; why others wait is among the reasons."""
    return {
        "package": prediction.package,
        "label": prediction.label,
        "confidence": round(prediction.confidence, 4),
        "status": prediction.status.value,
        "automated_by": prediction.automated_by,
        "note": DECISION_SUPPORT,
    }
