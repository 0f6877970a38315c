"""A decision becomes an assessment of the node's report: agreement on each finding, and what the newest one says."""

from __future__ import annotations

from pathlib import Path

from miqa_node.core.domain.delivery import SR
from miqa_node.core.domain.image import SaliencyMaps
from miqa_node.core.domain.output import default_kinds
from miqa_node.core.domain.policy import Verdict
from miqa_node.core.domain.worklist import Resolution
from miqa_node.stages.report.image import ReportedImage
from miqa_node.stages.report.made import ReportSettings
from miqa_node.stages.report.make import amend_objects
from miqa_node.stages.report.outputs.airai import AIRAI
from tests.stages.report import making
from tests.stages.report.reviewed import review


def test_only_destinations_that_ask_get_one_and_only_after_a_decision(tmp_path: Path) -> None:
    assert AIRAI not in default_kinds()
    assert AIRAI not in {one.kind for one in making.everything(making.CHEST)}
    image = ReportedImage(making.CHEST, SaliencyMaps())
    made = amend_objects(
        image, making.assessment(), making.disposition(Verdict.REVIEW), review(Resolution.DISMISSED), ReportSettings(),
        default_kinds(), [SR],
    )  # fmt: skip
    assert [one.kind for one in made] == [SR]
