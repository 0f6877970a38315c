"""A task of a worker process: simulated defects on one original, judged by the packages in force; nothing is kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import Header, InstanceDigest, StoredInstance
from miqa_node.errors import ModelPackageError
from miqa_node.features.limits.learn import SeenImage
from miqa_node.features.limits.room_trials import DefectTry, OwnImage, tries_on
from miqa_node.isolation.tasks import SiteChoice, tools_of
from miqa_node.stages.units.kinds import image_traits


def try_original(
    stored: StoredInstance, path: Path, package: str, tries: Sequence[DefectTry], choice: SiteChoice
) -> list[SeenImage]:
    """What the policy sees of these defects; nothing of an image of several frames, or that another package judges."""
    tools = tools_of(choice)
    radiograph = tools.decode(path, 0)
    if radiograph.frames > 1:
        return []
    assessor, traits = tools.assessor(), image_traits(stored.header)

    def judge(header: Header, changed: Radiograph, digest: InstanceDigest) -> Assessment:
        assessment = assessor.assess(header, changed, digest, traits).assessment
        if assessment.model is None or assessment.model.label != package:
            raise ModelPackageError("Another package is in force now.")
        return assessment

    return list(tries_on(OwnImage(stored.header, radiograph, stored.digest), tries, judge, choice.policy))
