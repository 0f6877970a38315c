"""Which images rules of ``policy.toml`` are about: the places that it names, and conditions of single rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from miqa_node.core.domain.rule import CONDITIONS, Where
from miqa_node.core.domain.slice_kind import KIND_NAMES
from miqa_node.core.taxonomy.anatomy import STANDARD
from miqa_node.core.taxonomy.entries import check_keys, close_to, name_list, named

PLACE_KEYS = ("where", *CONDITIONS)
MOST_YEARS = 150


def parse_places(document: Mapping[str, Any]) -> dict[str, Where]:
    """Every ``[where.NAME]``, in the order of the file."""
    places: dict[str, Where] = {}
    places.update(
        named(document, "where", lambda name, table: _place(name, table, places))
    )  # each knows those above it
    return places


def _place(name: str, table: Mapping[str, Any], places: Mapping[str, Where]) -> Where:
    check_keys(table, (*CONDITIONS, "except"))
    apart_from = tuple(_named(one, places, "except") for one in name_list(table, "except"))
    return _checked(replace(_conditions(table), name=name, apart_from=apart_from))


def parse_where(table: Mapping[str, Any], places: Mapping[str, Where]) -> list[Where]:
    """The places that a rule names, one for each, narrowed down by the rule's own conditions."""
    names = (table["where"],) if isinstance(table.get("where"), str) else name_list(table, "where")
    own = _conditions(table)
    conditions = tuple(key for key in CONDITIONS if getattr(own, key))
    wheres = [_narrowed(_named(name, places, "where"), own) for name in names] or [own]
    return [_checked(replace(where, own=conditions)) for where in wheres]


def _checked(where: Where) -> Where:
    if where.kind and not where.modality:
        raise ValueError("kind is of series: name their modality, too.")
    return where


def _named(name: str, places: Mapping[str, Where], key: str) -> Where:
    if name not in places:
        raise ValueError(f"{key}: no place above is called {name!r}.{close_to(name, tuple(places))}")
    return places[name]


def _conditions(table: Mapping[str, Any]) -> Where:
    return Where(
        modality=tuple(name.strip().upper() for name in name_list(table, "modality")),
        body_part=tuple(sorted(STANDARD.body_parts.expanded(name_list(table, "body_part")))),
        view=tuple(sorted(STANDARD.expanded_views(name_list(table, "view")))),
        kind=kind_list(table),
        room=name_list(table, "room"),
        age=_age(table),
    )


def kind_list(table: Mapping[str, Any]) -> tuple[str, ...]:
    """The kinds of slices that it names."""
    kinds = name_list(table, "kind")
    if unknown := [one for one in kinds if one not in KIND_NAMES]:
        raise ValueError(f"kind is {unknown[0]!r}; it takes {', '.join(KIND_NAMES)}.")
    return kinds


def _age(table: Mapping[str, Any]) -> tuple[int, int] | None:
    if "age" not in table:
        return None
    ages = table["age"]
    is_pair = isinstance(ages, Sequence) and len(ages) == 2 and all(type(one) is int for one in ages)
    if not is_pair or not 0 <= ages[0] < ages[1] <= MOST_YEARS:
        raise ValueError(f"age is {ages!r}; it must be two whole numbers of years, from and below, such as [6, 18].")
    return ages[0], ages[1]


def _narrowed(place: Where, own: Where) -> Where:
    changes: dict[str, Any] = {}
    for key in CONDITIONS[:-1]:
        of_place, of_rule = getattr(place, key), getattr(own, key)
        changes[key] = tuple(one for one in of_rule if one in of_place) if of_place and of_rule else of_place or of_rule
        if of_rule and not changes[key]:
            raise ValueError(f"{key} is {', '.join(of_rule)}; {place.name!r} has none of these.")
    if place.age and own.age:
        changes["age"] = max(place.age[0], own.age[0]), min(place.age[1], own.age[1])
        if changes["age"][0] >= changes["age"][1]:
            raise ValueError(f"age is {list(own.age)}; {place.name!r} has none of these.")
    else:
        changes["age"] = place.age or own.age
    return replace(place, **changes)
