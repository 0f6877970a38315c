"""Names that are the same whenever the same thing is made."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miqa_node.core.domain.assessment import Assessment, ObjectJudge
from miqa_node.core.domain.delivery import SR
from miqa_node.core.domain.instance import is_uid
from miqa_node.core.domain.landmarks import Landmarks
from miqa_node.core.domain.verdict import Verdict
from miqa_node.stages.report.uids import Lineage, derive_uid
from tests.stages.report import making

JUDGED = replace(
    making.assessment(),
    form=1,
    objects=ObjectJudge("objects-0.2.0", "aa" * 32),
    landmarks=Landmarks({}, {}, "landmarks-0.5.0", "bb" * 32),
)


def uid_of(assessment: Assessment) -> str:
    return Lineage.of("1.2.3", assessment, making.disposition(Verdict.REVIEW)).uid(SR, "instance")


def test_every_package_that_judged_and_the_form_belong_to_a_uid() -> None:
    others = [
        replace(JUDGED, objects=ObjectJudge("objects-0.2.1", "ac" * 32)),
        replace(JUDGED, objects=ObjectJudge("objects-0.2.0", "ad" * 32)),
        replace(JUDGED, landmarks=Landmarks({}, {}, "landmarks-0.5.1", "be" * 32)),
        replace(JUDGED, form=2),
    ]
    assert len({uid_of(one) for one in (JUDGED, *others)}) == 1 + len(others)
    assert uid_of(JUDGED) == uid_of(replace(JUDGED, measurements=()))


def test_objects_about_judgements_of_earlier_versions_keep_their_uids() -> None:
    """A decision refers to the report that an archive has; before there was a form, only the model was named."""
    assert uid_of(replace(JUDGED, form=0)) == uid_of(making.assessment())


def test_the_derivation_never_changes() -> None:
    """A PACS knows what was sent years ago by these."""
    assert derive_uid("1.2.3", "SR", "instance") == "2.25.81632967956917045787819988393140742703"


@pytest.mark.more
@given(st.lists(st.text(), max_size=5))
def test_every_tuple_gives_a_uid_that_the_standard_allows(parts: list[str]) -> None:
    uid = derive_uid(*parts)
    assert is_uid(uid)
    assert uid.startswith("2.25.")
    assert not uid.startswith("2.25.0")


@pytest.mark.more
@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_two_uids_are_equal_only_when_their_parts_are(one: list[str], other: list[str]) -> None:
    assert (derive_uid(*one) == derive_uid(*other)) == (one == other)
