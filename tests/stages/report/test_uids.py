"""Names that are the same whenever the same thing is made."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from miqa_node.stages.report.uids import derive_uid


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_two_uids_are_equal_only_when_their_parts_are(one: list[str], other: list[str]) -> None:
    assert (derive_uid(*one) == derive_uid(*other)) == (one == other)


def test_the_derivation_never_changes() -> None:
    """A PACS knows what was sent years ago by these."""
    assert derive_uid("1.2.3", "SR", "instance") == "2.25.81632967956917045787819988393140742703"
