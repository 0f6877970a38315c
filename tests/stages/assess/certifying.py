"""Makes certificates for predictions, for tests of whoever uses them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from miqa_node.stages.assess.classify.reading import READING
from miqa_node.stages.assess.package_checks import checksum
from miqa_node.stages.assess.prediction_certificate import (
    LASTS,
    CertifiedAnswers,
    CertifiedPopulation,
    ConfidenceDrift,
    PredictionCertificate,
)

ADULTS = CertifiedPopulation(
    name="adults", ages_years=(18, 90), unknown_age=True, views=("AP", "PA"),
    answers=(CertifiedAnswers(label="Pneumonia", answers=120, right=119, bound=0.961),),
    others=(CertifiedAnswers(label="Normal", answers=40, right=36, bound=0.786),),
)  # fmt: skip
CHILDREN = ADULTS.model_copy(update={"name": "children", "ages_years": (1, 5), "unknown_age": False, "others": ()})


def certificate_for(folder: Path, **changes: Any) -> PredictionCertificate:
    """One of a package folder that :func:`tests.stages.assess.classify.making.write_classifier` wrote."""
    made_at = changes.pop("made_at", datetime.now(UTC) - timedelta(days=1))
    values: dict[str, Any] = {
        "package": folder.name, "package_sha256": checksum(folder, ("a.onnx", "b.onnx")), "reading": READING,
        "site": "General", "made_at": made_at, "ends_at": made_at + LASTS, "reader": "Dr. Bell", "level": 0.8,
        "least_right": 0.95, "cases": 300, "learned_known": True, "stations": ("", "ROOM1"),
        "populations": (ADULTS, CHILDREN), "drift": ConfidenceDrift(mean=0.9, images=200, limit=0.05, power=0.97),
    }  # fmt: skip
    return PredictionCertificate(**values | changes)
