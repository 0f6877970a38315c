"""The record of a destination's trial as plain data, for its page, for programs and for the terminal."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from pydicom.uid import UID

from miqa_node import __version__
from miqa_node.core.settings import Settings
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.cli.output import moment
from miqa_node.stages.report.seg import LABEL_MAP_CLASS_UID
from miqa_selftest.trial_answers import DestinationTrial, ObjectTrial, Storage, worst_of

_NAMES = {LABEL_MAP_CLASS_UID: "Label Map Segmentation Storage"}
"""Of classes that are younger than pydicom."""
_OWN = {
    Exit.OK: "all arrived as they were sent",
    Exit.COERCED: "all arrived, some of them changed",
    Exit.FAILED: "not all arrived",
}
WORST = {Exit.OK: "well", Exit.COERCED: "coerced", Exit.FAILED: "wrong"}


def document(trial: DestinationTrial, settings: Settings) -> dict[str, Any]:
    """Everything that the record says; docs/how-to/destinations.md explains the keys."""
    config, header, now = trial.config, trial.study.header, datetime.now(UTC)
    return {
        "destination": config.name,
        "kind": config.kind,
        "address": config.address,
        "node": settings.node.name,
        "calling_ae_title": getattr(config, "calling_ae_title", None) or settings.dicom.ae_title,
        "version": __version__,
        "tried_at": now.isoformat(timespec="seconds"),
        "tried_at_words": moment(now),
        "worst": WORST[trial.exit],
        "worst_of_its_objects": WORST[worst_of(trial.own)],
        "exit_code": int(trial.exit),
        "summary": _summary(trial),
        "search_service": trial.search_service,
        "notes": trial.notes,
        "patient_id": str(header.PatientID),
        "patient_name": str(header.PatientName),
        "accession_number": str(header.AccessionNumber),
        "study_instance_uid": str(header.StudyInstanceUID),
        "changes": [asdict(change) for change in trial.changes],
        "objects": [_row(one) for one in trial.objects],
        "left_out": dict(trial.study.left_out),
        "to_delete": [one.pair[1] for one in trial.objects if one.storage not in (Storage.REFUSED, Storage.NOT_SENT)],
    }


def _row(one: ObjectTrial) -> dict[str, Any]:
    sop_class_uid, sop_instance_uid = one.pair
    return {
        "kind": one.item.kind,
        "in_objects": one.is_own,
        "sop_class": _NAMES.get(sop_class_uid) or UID(sop_class_uid).name,
        "sop_class_uid": sop_class_uid,
        "sop_instance_uid": sop_instance_uid,
        "series_instance_uid": str(one.header.SeriesInstanceUID),
        "size_bytes": len(one.item.data),
        "stored": one.storage.value,
        "status": one.status or None,
        "found": one.search.value,
        "committed": one.commitment.value,
        "changes": [asdict(change) for change in one.changes],
        "remarks": one.remarks,
    }


def _summary(trial: DestinationTrial) -> str:
    """How many objects there were of each answer, and what became of those that the destination is to get."""
    counts = Counter(one.storage for one in trial.objects)
    words = ", ".join(f"{storage.value} {counts[storage]}" for storage in Storage if counts[storage])
    own = ", ".join(one.item.kind for one in trial.own)
    return f"Objects: {len(trial.objects)}; {words}. Of those that it is to get ({own}), {_OWN[worst_of(trial.own)]}."
