"""The lines of ``assess --json``: one object for each image or series; docs/reference/cli.md explains their keys."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from miqa_node.core.domain.anomaly import AnomalyScore
from miqa_node.core.domain.assessment import Assessment, Measurement
from miqa_node.core.domain.landmarks import Landmarks, patient_side
from miqa_node.core.domain.object_place import ObjectPlace
from miqa_node.core.domain.prediction import DECISION_SUPPORT, Prediction
from miqa_node.core.domain.shown_number import stated
from miqa_node.core.domain.verdict import Disposition
from miqa_node.core.words.makers import Makers
from miqa_node.core.words.narrative import narrative
from miqa_node.local import LocalResult
from miqa_node.local_series import LocalSeriesResult
from miqa_node.stages.assess.landmarks.findings import cut_finding
from miqa_node.stages.assess.landmarks.measurands import CUT_SIDES


def document(file: Path | str, result: LocalResult, total_s: float, language: str = "en") -> dict[str, Any]:
    """The line of an image."""
    header = result.assessment.header
    return {
        "file": str(file),
        "sop_instance_uid": header.sop_instance_uid,
        "modality": header.modality,
        "body_part": _body_part(result.assessment),
        **_judged(result.assessment, result.disposition, total_s, language),
    }


def series_document(
    files: Sequence[str], result: LocalSeriesResult, total_s: float, language: str = "en"
) -> dict[str, Any]:
    """The line of a series; one that is a single file has also the keys of an image, by which programs find it."""
    alone = {"file": files[0], "sop_instance_uid": result.header.sop_instance_uid} if len(files) == 1 else {}
    issues, search = result.assessment.plausibility, result.disposition.search
    return {
        **alone,
        **series_identity(files, result.header.series_instance_uid, result.header.modality),
        **_judged(result.assessment, result.disposition, total_s, language),
        "looked_for": None if search is None else [asdict(one) for one in search.looked_for],
        "not_looked_for": None if search is None else [asdict(one) for one in search.not_looked_for],
        "issues": [{"name": issue.name, "text": issue.message} for issue in issues],
        "along": _along(files, result),
    }


def _along(files: Sequence[str], result: LocalSeriesResult) -> dict[str, Any]:
    """The slices in spatial order, and the measurements that each of them has alone; None where it has none."""
    names = dict(zip(result.files, files, strict=True))
    return {
        "slices": [{"file": names[path], "frame": frame} for path, frame in result.slices],
        "measurements": {
            one.measurement: {
                "unit": one.unit,
                "values": [float(f"{value:.4g}") if math.isfinite(value) else None for value in one.values.tolist()],
            }
            for one in result.profiles
        },
    }


def series_identity(files: Sequence[str], uid: str, modality: str) -> dict[str, Any]:
    """What every line about a series begins with."""
    return {"series_instance_uid": uid, "modality": modality, "files": list(files)}


def _judged(assessment: Assessment, disposition: Disposition, total_s: float, language: str) -> dict[str, Any]:
    model, makers = assessment.model, Makers.of(assessment, disposition)
    return {
        "verdict": disposition.verdict.value,
        "experimental": disposition.experimental,
        "certificate": disposition.certificate,
        "score": None if assessment.score is None else round(assessment.score, 1),
        "reasons": [reason.text for reason in disposition.reasons],
        "reasons_made_by": makers.reasons,
        "narrative": list(narrative(assessment, disposition, language)),
        "findings": [
            {
                "name": finding.name,
                "code": finding.code.value,
                "probability": round(finding.probability, 4),
                "severity": round(finding.severity, 4),
                "threshold": round(finding.threshold, 4),
                "flagged": disposition.flags(finding.name),
                "place": _place(finding.place),
                "made_by": makers.findings[finding.name],
            }
            for finding in assessment.findings
        ],
        "contributions": {
            name: [
                {"measurement": c.measurement, "value": c.value, "unit": c.unit, "part": round(c.part, 3)}
                for c in parts
            ]
            for name, parts in assessment.contributions.items()
        },
        "gate": {name: round(probability, 4) for name, probability in assessment.gate.items()},
        "anomaly": _anomaly(assessment.anomaly),
        "predictions": [_prediction(one) for one in assessment.predictions],
        "landmarks": _landmarks(assessment.landmarks),
        "lung_field": _lung_field(assessment.landmarks),
        "side_markers": _side_markers(assessment.landmarks),
        "text": [{**asdict(line), "kind": line.kind.value} for line in assessment.text],
        "measurements": {
            m.name: {
                "value": stated(m.value) if math.isfinite(m.value) else None,
                "unit": m.unit,
                "made_by": makers.measurements[m.name],
            }
            | _more(m, assessment)
            for m in assessment.measurements
        },
        "left_out": {name: one.reason for one in assessment.left_out for name in one.measurements},
        "model": {"name": model.name, "version": model.version, "sha256": model.sha256} if model else None,
        "timings_ms": {**assessment.timings_ms, "total": round(total_s * 1e3, 1)},
    }


def _body_part(assessment: Assessment) -> dict[str, Any]:
    """What the header names, and what the pixels show beyond doubt, which counts where the header names none."""
    return {"header": assessment.header.body_part_examined or None, "pixels": assessment.part_seen or None}


def _place(place: ObjectPlace | None) -> dict[str, Any] | None:
    """What something that can be taken off lies over, with the side of the patient, and how it is worn."""
    return None if place is None else asdict(place) | {"over": [one.value for one in place.over]}


def _anomaly(anomaly: AnomalyScore | None) -> dict[str, Any] | None:
    if anomaly is None:
        return None
    shown = {"score": round(anomaly.score, 4), "percentile": round(anomaly.percentile, 2)}
    return {**shown, "baseline": "site" if anomaly.is_of_site else "training"}


def _landmarks(landmarks: Landmarks | None) -> dict[str, Any] | None:
    """Points as fractions of the stored image; ``side`` says whose left and right the names mean."""
    if landmarks is None:
        return None
    return {"side": "image", **{name: list(point) for name, point in landmarks.points.items()}}


def _lung_field(landmarks: Landmarks | None) -> dict[str, Any] | None:
    """The outline of each lung, by side of the image."""
    if landmarks is None or not landmarks.lungs:
        return None
    return {
        "side": "image",
        **{side: [list(corner) for corner in corners] for side, corners in landmarks.lungs.items()},
    }


def _side_markers(landmarks: Landmarks | None) -> list[dict[str, Any]]:
    """The letters that name a side, the most certain first."""
    return [] if landmarks is None else [{**asdict(marker), "side": marker.side} for marker in landmarks.markers]


def _more(measurement: Measurement, assessment: Assessment) -> dict[str, Any]:
    """Where it was found, and which sides of the image are cut, beside how many."""
    landmarks = assessment.landmarks
    if measurement.name != CUT_SIDES.name or landmarks is None:
        return {"place": measurement.place} if measurement.place else {}
    orientation = assessment.header.patient_orientation
    present = {finding.name for finding in assessment.findings if finding.present}
    return {
        "sides": [
            side
            for side in landmarks.cut
            if patient_side(side, orientation) and cut_finding(side, orientation) in present
        ],
        "chances": dict(landmarks.cut),
    }


def _prediction(prediction: Prediction) -> dict[str, Any]:
    return {
        "package": prediction.package,
        "label": prediction.label or None,
        "confidence": round(prediction.confidence, 4),
        "status": prediction.status.value,
        "scores": {label: round(score, 4) for label, score in prediction.scores.items()},
        "pending": [one.text for one in prediction.pending],
        **({"automated_by": prediction.automated_by} if prediction.automated_by else {}),
        "note": DECISION_SUPPORT,
    }
