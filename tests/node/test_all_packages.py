"""One image, every package: quality, what is unusual, a prediction and a caption come back in one report."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from miqa_node.core.domain.delivery import ResultKind
from miqa_node.core.settings import load_settings
from miqa_node.features.worklist.rows import worklist
from miqa_node.node import Node
from tests.report_texts import texts
from tests.sending import judged
from tests.stages.assess.caption.making import write_captions
from tests.stages.assess.classify.making import write_classifier
from tests.stages.assess.making import chest_dataset

pytestmark = pytest.mark.more

pytest.importorskip("sklearn", reason="the tiny package is taught what is ordinary with it")

POLICY = """
version = "all"
[[rule]]
then = "REVIEW"
evidence = "card"
each = [{ finding = ["motion_blur", "gate"] }, { measurement = "anomaly", min_percentile = 90 }]
[[package]]
name = "lungs"
[[package]]
name = "anomaly"
"""
LIMIT_S = 60.0


def codes(item: Dataset) -> set[str]:
    """Every code value in a report."""
    values = {str(element.value) for element in item.iterall() if element.keyword == "CodeValue"}
    assert values
    return values


def test_a_radiograph_gets_one_report_one_segmentation_and_one_entry_with_everything(tmp_path: Path) -> None:
    from tests.stages.assess.anomaly.making import odd_pixels, taught_package

    models = tmp_path / "models"
    taught_package(models / "tiny-1.0.0")
    write_classifier(models / "lungs-1.0.0")
    write_captions(models / "tones-1.0.0")
    (tmp_path / "policy.toml").write_text(POLICY)
    image = chest_dataset(1)
    image.PixelData = (np.clip(odd_pixels(3).astype(np.uint16) * 2, 0, 255) * 16).astype(np.uint16).tobytes()
    settings = load_settings(
        node={"data_dir": tmp_path / "node", "name": "t", "accelerator": "cpu"},
        dicom={"port": 0, "host": "127.0.0.1"},
        web={"port": 0},
        work={"processes": 1},
        assess={"shipped_packages": False, "models_dir": str(models), "quality_package": "tiny-1.0.0"},
        policy={"file": str(tmp_path / "policy.toml")},
        caption={"backend": "package", "package": "tones"},
    )
    with Node(settings) as node:
        verdict = judged(node, image, LIMIT_S)
        made = {one.kind: pydicom.dcmread(io.BytesIO(node.objects.get(one.object_key))) for one in verdict.results}
        with node.database.begin() as transaction:
            entries = worklist.select(transaction, worklist.WorklistFilter(), limit=10, offset=0)

    assert verdict.assessment is not None
    assert [one.kind for one in verdict.results].count(ResultKind("SR")) == 1
    assert [one.kind for one in verdict.results].count(ResultKind("SEG")) == 1
    report_codes = codes(made[ResultKind("SR")])
    present = [finding for finding in verdict.assessment.findings if finding.present]
    assert len(present) > 1
    assert {"P_MOTION_BLUR", "111029", "ANOMALY_SCORE", "UNUSUAL_REGION", "P_PREDICTION", "111412"} <= report_codes
    [narrative] = texts(made[ResultKind("SR")], "111412")
    shown = [segment.SegmentLabel for segment in made[ResultKind("SEG")].SegmentSequence]
    assert len(shown) == len(set(shown))
    assert {"Motion blur", "Object outside of the patient", "Unusual region", "Region of prediction"} <= set(shown)
    [entry] = entries
    [flagged] = entry.images
    assert verdict.assessment.predictions[0].package == "lungs-1.0.0"
    assert [name for name in ("probability", "Unusual image", "lungs-1.0.0") if name in " ".join(flagged.reasons)] == [
        "probability", "Unusual image", "lungs-1.0.0",
    ]  # fmt: skip
    assert verdict.assessment.caption is not None
    assert verdict.assessment.timings_ms["anomaly"] > 0
    for words in ("lungs-1.0.0: Pneumonia", "Machine-written by tones-1.0.0"):
        assert words in narrative, words
    assert "more unusual than" not in narrative, "a number is for the full report"
