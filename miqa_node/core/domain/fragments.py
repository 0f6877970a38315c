"""Stacks that a sender has torn apart: each slice has a Series Instance UID of its own, and they belong together.

Slices of one study and Series Number are a group if each of at least two series has just one of them. All other series
are what their UID says.
"""

from __future__ import annotations

from collections.abc import Iterable

from miqa_node.core.domain.instance import Header

GroupKey = tuple[str, int | None, str]


def group_key(header: Header) -> GroupKey | None:
    """What slices of one group have in common; None for an object that is never part of one.

    Without a Series Number, they must have a Frame of Reference.
    """
    if header.number_of_frames > 1 or (header.series_number is None and not header.frame_of_reference_uid):
        return None
    frame = "" if header.series_number is not None else header.frame_of_reference_uid
    return header.modality, header.series_number, frame


def groups(slices: Iterable[Header]) -> dict[str, tuple[str, ...]]:
    """The Series Instance UIDs of a group, by each of them, in order; from all slices of one study."""
    by_series: dict[str, dict[str, Header]] = {}
    for header in slices:
        by_series.setdefault(header.series_instance_uid, {})[header.sop_instance_uid] = header
    by_key: dict[GroupKey, list[str]] = {}
    for uid, members in by_series.items():
        key = group_key(next(iter(members.values()))) if len(members) == 1 else None
        if key is not None:
            by_key.setdefault(key, []).append(uid)
    return {uid: tuple(sorted(uids)) for uids in by_key.values() if len(uids) > 1 for uid in uids}
