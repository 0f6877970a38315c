"""What is said of one image that was checked, on a German page: titles, scope and codes, too."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from miqa_node.core.domain.anomaly import AnomalyScore
from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.image import SaliencyMap, SaliencyMaps
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.language.catalogue import spoken
from miqa_node.core.settings.policy import read_policy
from miqa_node.core.taxonomy.lookup import reason_code
from miqa_node.interfaces.web.onepage.page import of_image
from miqa_node.local import LocalResult
from tests.stages.assess.making import chest_header, radiograph

POLICY = read_policy(Path(__file__).parents[3] / "config" / "policy.toml")
PRESENT = (FindingName.UNDEREXPOSURE, FindingName.MOTION_BLUR)
ENGLISH = ("Motion blur", "Under-exposed", "Unusual", "frontal chest radiograph")


def test_a_checked_image_is_german_on_a_german_page(tmp_path: Path) -> None:
    present = tuple(Finding(name, reason_code(name), 0.97, 0.6, 0.5, None) for name in PRESENT)
    head = chest_header()
    assessment = Assessment(
        InstanceDigest("ab" * 32), head, datetime(2026, 11, 20, tzinfo=UTC), findings=present,
        anomaly=AnomalyScore(0.6, training_percentile=99.9),
    )  # fmt: skip
    there = SaliencyMap(np.pad(np.ones((8, 8), np.float32), 12), "drise")
    maps = SaliencyMaps({FindingName.UNDEREXPOSURE: there}, anomaly=there)
    result = LocalResult(tmp_path, True, assessment, decide(assessment, POLICY), maps, radiograph())
    with spoken("de"):
        page = of_image(result, threshold=0.5, language="de")
    words = re.sub(r"<[^>]+>", " ", page)
    assert [one for one in ENGLISH if one in words] == []
    assert "Ungewöhnliche Stelle" in words
    assert f"{POLICY.version}, frontale Thoraxaufnahme" in words
