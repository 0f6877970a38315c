"""Names that are the same whenever the same thing is made."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miqa_node.core.domain.instance import is_uid
from miqa_node.stages.report.uids import derive_uid


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
