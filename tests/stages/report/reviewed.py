"""Objects that state a person's decision, for tests."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from miqa_node.core.domain.delivery import KOS, SR
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.image import SaliencyMaps
from miqa_node.core.domain.output import default_kinds
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.domain.worklist import Resolution, Review
from miqa_node.stages.report.image import ReportedImage
from miqa_node.stages.report.made import MadeObject, ReportSettings
from miqa_node.stages.report.make import amend_objects
from miqa_node.stages.report.outputs.airai import AIRAI
from miqa_node.stages.report.withdrawal import withdraw_key_object
from tests.stages.report import making

SEEN = (FindingName.MOTION_BLUR, FindingName.CLIPPED_ANATOMY, FindingName.FOREIGN_OBJECT)


def review(resolution: Resolution | None, *findings: FindingName, comment: str = "") -> Review:
    """What J. Doe decided an hour after the assessment."""
    at = making.ASSESSED_AT + timedelta(hours=1)
    return Review(
        7, "j.doe", at, resolution, comment, findings if findings or resolution is Resolution.DISMISSED else None
    )


def assessed(source: Path) -> tuple[MadeObject, ...]:
    """What only destinations get that ask for it, of a rejection with one finding confirmed."""
    opinion = review(Resolution.CONFIRMED, FindingName.FOREIGN_OBJECT, comment="Schlüssel in der Tasche")
    verdict = making.disposition(Verdict.REJECT, FindingName.FOREIGN_OBJECT)
    image = ReportedImage(source, SaliencyMaps())
    return amend_objects(image, making.assessment(*SEEN), verdict, opinion, ReportSettings(), {AIRAI}, ())


def amended(source: Path, review: Review, folder: Path) -> tuple[MadeObject, ...]:
    """The report of a flagged image and its key object anew, the assessment, and the withdrawal of the key object."""
    before = making.flagged(source)
    files = {}
    for one in before:
        files[one.kind] = folder / f"before-{one.kind}.dcm"
        files[one.kind].write_bytes(one.data)
    maps = SaliencyMaps({FindingName.FOREIGN_OBJECT: making.bump(0.3, 0.7)})
    image = ReportedImage(source, maps, predecessors=[files[SR]])
    assessment = making.assessment(*SEEN)
    verdict = making.disposition(Verdict.REJECT, FindingName.FOREIGN_OBJECT, FindingName.MOTION_BLUR)
    kinds = {*default_kinds(), AIRAI}
    made = amend_objects(image, assessment, verdict, review, ReportSettings(), kinds, [SR, KOS])
    withdrawal = withdraw_key_object(files[KOS], assessment, verdict, ReportSettings(), review)
    assert withdrawal is not None
    return (*made, withdrawal)
