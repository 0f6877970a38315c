"""A judgement: what was found on an image, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.instance import StoredInstance
from miqa_node.core.domain.verdict import Disposition


@dataclass(frozen=True, slots=True)
class Judgement:
    """The assessment of an instance, or of the series that it stands for, and the disposition by the site's policy."""

    instance: StoredInstance
    assessment: Assessment
    disposition: Disposition
