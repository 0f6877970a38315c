"""Derives the UIDs of result objects, so that making an object again gives the same one (docs/adr/0004)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID, uuid5

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.delivery import ResultKind
from miqa_node.core.domain.verdict import Disposition
from miqa_node.core.words.algorithms import algorithms_of

_NAMESPACE = UUID("cbc068c2-e572-4ae2-863a-1c3f3b4cb0a7")


@lru_cache(maxsize=1024)
def derive_uid(*parts: str) -> str:
    """One UID for each distinct tuple of texts: a version 5 UUID under the root 2.25 (PS3.5 B.2).

    >>> derive_uid("a", "bc") == derive_uid("a", "bc"), derive_uid("a", "bc") == derive_uid("ab", "c")
    (True, False)
    """
    return f"2.25.{uuid5(_NAMESPACE, json.dumps(parts)).int}"


@dataclass(frozen=True, slots=True)
class Lineage:
    """The origin of a result: the image's bytes, the packages that judged it, the policy, and the form of the report.

    A judgement of an earlier version, without a form, keeps the UIDs that archives know: decisions refer to them.
    """

    parts: tuple[str, ...]

    @classmethod
    def of(cls, source_uid: str, assessment: Assessment, disposition: Disposition) -> Lineage:
        """The lineage of all objects about this image."""
        model = assessment.model
        judged_by = (model.name, model.version, model.sha256) if model else ("", "", "")
        beside = (f"{one.package} {one.sha256} {one.status}" for one in assessment.predictions)
        again = (f"generation {assessment.generation}",) if assessment.generation else ()
        made = _makers(assessment) if assessment.form else ()
        return cls((source_uid, assessment.digest, *judged_by, disposition.policy_version, *beside, *again, *made))

    @classmethod
    def of_series(cls, study_instance_uid: str, series_instance_uid: str, node_name: str) -> Lineage:
        """The lineage of the one report for all images of a series that were not assessed.

        The first image with a verdict makes it, so the bytes and judge of any one image are not part of it.
        """
        return cls((study_instance_uid, series_instance_uid, node_name))

    def decided(self, number: int) -> Lineage:
        """The lineage of objects changed by a person's decision."""
        return Lineage((*self.parts, f"decision {number}"))

    def uid(self, kind: ResultKind, *role: str) -> str:
        """The UID of an object of this kind in a role ("instance", "series", "tracking" …)."""
        return derive_uid(*self.parts, kind, *role)


def _makers(assessment: Assessment) -> tuple[str, ...]:
    """The form, and every package that judged, found or measured something, in the order of its name."""
    packages = {one for one in algorithms_of(assessment) if one.sha256}
    return (f"form {assessment.form}", *(f"{one.label} {one.sha256}" for one in sorted(packages)))
