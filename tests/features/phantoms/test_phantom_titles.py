"""Each value of a phantom has a title that can be said in other languages, and no title is left over."""

from __future__ import annotations

from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.measure import measures_in_order
from miqa_node.features.phantoms.titles import HEADS, title_of


def test_titles_are_those_of_the_values() -> None:
    names = {one.name for measure in measures_in_order() for one in measure.values}
    assert {name.partition(".")[0] for name in names} == set(HEADS)
    for name in names:
        title = title_of(name)
        assert isinstance(title, Phrase)
        assert "_" not in title, name
