"""The stack of a series: the slices that are measured together, and what came with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from miqa_node.core.domain.slice_kind import SliceKind
from miqa_node.dicom.nearly import same_directions
from miqa_node.stages.measure.slices import Slice


def same_plane(slices: Sequence[Slice]) -> list[Slice]:
    """The slices of the stack: without localizers, and only the most frequent size and orientation.

    Slices of a kind that no limit applies to are in it only if nothing else is there, what was computed from others
    only if no other kind is. Of slices of several series, which are put together here, also only the most frequent
    Frame of Reference.
    """
    body = [one for one in slices if not one.is_localizer]
    plain = [one for one in body if one.kind.name != "computed"]
    body = [one for one in body if one.is_judged] or plain or body
    several = len({one.series_instance_uid for one in body}) > 1
    frames = [one.frame_of_reference_uid if several else "" for one in body]
    planes = same_directions([one.orientation for one in body]).tolist()
    kinds = [(one.rows, one.columns, plane, frame) for one, plane, frame in zip(body, planes, frames, strict=True)]
    if not kinds:
        return []
    main = max(dict.fromkeys(kinds), key=kinds.count)
    return [one for one, kind in zip(body, kinds, strict=True) if kind == main]


def of_other_sizes(slices: Sequence[Slice], stack: Sequence[Slice]) -> list[Slice]:
    """Slices with the orientation of the stack in another size: they are in their places, but not measured with it."""
    if not stack:
        return []
    first = stack[0]
    odd = [
        one
        for one in slices
        if not one.is_localizer
        and (one.rows, one.columns) != (first.rows, first.columns)
        and one.is_judged == first.is_judged
    ]
    planes = same_directions([first.orientation, *(one.orientation for one in odd)])
    return [one for one, plane in zip(odd, planes[1:].tolist(), strict=True) if plane == planes[0]]


@dataclass(frozen=True, slots=True)
class OddMembers:
    """What came with a stack and does not belong to it."""

    kinds: dict[SliceKind, list[Slice]] = field(default_factory=dict)
    """Localizers, computed images and others to which no limit applies, while limits apply to the stack."""
    turned: list[Slice] = field(default_factory=list)
    """Of another orientation or Frame of Reference."""
    captures: list[Slice] = field(default_factory=list)
    """They have no orientation."""


def odd_members(slices: Sequence[Slice], stack: Sequence[Slice]) -> OddMembers:
    """All slices outside the stack, by the reason; those of another size have an issue of their own."""
    stacked = {id(one) for one in (*stack, *of_other_sizes(slices, stack))}
    is_judged = bool(stack) and stack[0].is_judged
    odd = OddMembers()
    for one in slices:
        if id(one) in stacked:
            continue
        if one.is_localizer or one.kind.name == "computed" or (is_judged and not one.is_judged):
            odd.kinds.setdefault(one.kind, []).append(one)
        else:
            (odd.turned if one.orientation is not None else odd.captures).append(one)
    return odd
