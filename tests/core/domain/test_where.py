"""Which images a where covers: what it says of two of them holds of all images of a small universe."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from miqa_node.core.domain.instance import Header, SeriesInstanceUid, SopInstanceUid, StudyInstanceUid
from miqa_node.core.domain.rule import ADULT_YEARS, Where

MODALITIES, PARTS, VIEWS, KINDS, ROOMS = ("CT", "DX"), ("CHEST", "KNEE", ""), ("PA", ""), ("body", ""), ("1", "2")
AGES = (None, 0, 5, 6, 17, 18, 40)
YEARS = (0, 6, 18, 150)


@cache
def images() -> tuple[tuple[Header, str], ...]:
    """All images of the universe, each with the kind of its slices."""
    return tuple(_images())


def _images() -> Iterator[tuple[Header, str]]:
    for modality, part, view, kind, room, age in product(MODALITIES, PARTS, VIEWS, KINDS, ROOMS, AGES):
        yield Header(
            "1.2", SopInstanceUid("1"), SeriesInstanceUid("1"), StudyInstanceUid("1"), "1.2.1", modality,
            body_part_examined=part, view_position=view, station_name=room, age_years=age,
        ), kind  # fmt: skip


@cache
def covered(where: Where) -> frozenset[int]:
    return frozenset(number for number, (header, kind) in enumerate(images()) if where.covers(header, kind))


def lists(names: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
    """No condition, or one that leaves out some of the universe, so that conditions say something."""
    some = st.lists(st.sampled_from(names), min_size=1, max_size=len(names) - 1, unique=True)
    return st.just(()) | some.map(tuple)


ages = st.none() | st.sampled_from([(a, b) for a in YEARS for b in YEARS if a < b and (a, b) != (0, 150)])
plain = st.builds(
    Where, modality=lists(MODALITIES), body_part=lists(PARTS), view=lists(VIEWS), kind=lists(KINDS), room=lists(ROOMS),
    age=ages,
)  # fmt: skip


@st.composite
def wheres(draw: st.DrawFn) -> Where:
    """A place that may except others."""
    return replace(draw(plain), apart_from=tuple(draw(st.lists(plain, max_size=2))))


@given(plain, plain)
def test_without_exceptions_both_relations_are_exact(one: Where, other: Where) -> None:
    assert one.is_within(other) == (covered(one) <= covered(other))
    assert one.meets(other) == bool(covered(one) & covered(other))


@given(wheres(), wheres())
def test_with_exceptions_neither_relation_claims_too_much(one: Where, other: Where) -> None:
    """Two that meet by no claim share no image, and one that is within covers nothing that the other does not."""
    if one.is_within(other):
        assert covered(one) <= covered(other)
    if not one.meets(other):
        assert not covered(one) & covered(other)


@given(wheres(), wheres())
def test_what_excepts_another_place_covers_none_of_its_images(one: Where, other: Where) -> None:
    apart = replace(one, apart_from=(*one.apart_from, other))
    assert covered(apart) == covered(one) - covered(other)
    assert not apart.meets(other)
    assert apart.is_within(one)


@given(wheres(), wheres(), wheres())
def test_which_is_narrower_is_an_order(one: Where, other: Where, third: Where) -> None:
    assert not one.is_narrower(one)
    assert not (one.is_narrower(other) and other.is_narrower(one))
    if one.is_narrower(other) and other.is_narrower(third):
        assert one.is_narrower(third)


@given(plain, plain)
def test_the_narrower_names_more_or_covers_a_part(one: Where, other: Where) -> None:
    if one.conditions != other.conditions:
        assert one.is_narrower(other) == (one.conditions > other.conditions)
    else:
        assert one.is_narrower(other) == (covered(one) < covered(other))


@given(wheres())
def test_an_image_of_unknown_age_counts_as_an_adults(where: Where) -> None:
    for header, kind in images():
        if header.age_years is None:
            assert where.covers(header, kind) == where.covers(replace(header, age_years=ADULT_YEARS), kind)
