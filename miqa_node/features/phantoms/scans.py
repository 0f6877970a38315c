"""Scans that share a Series Instance UID, told apart where nothing of the acquisition tells them apart.

A copy of a scan, altered and sent again, has the times and numbers of the first. What differs is the way that the
pixels are stored, who is named, the root of the UIDs, or the folder.
"""

from __future__ import annotations

from collections.abc import Sequence

from miqa_node.dicom.nearly import same_places
from miqa_node.stages.assess.phantom_words import header_texts
from miqa_node.stages.measure.series_view import SeriesView
from miqa_node.stages.measure.slices import Slice
from miqa_node.stages.measure.volumes import volumes_of

_KEYWORDS = (
    "BitsStored", "BitsAllocated", "PatientName", "PatientID", "StudyDate", "SeriesDate", "SeriesTime",
    "AcquisitionNumber", "StationName", "SoftwareVersions", "InstanceCreationDate",
)  # fmt: skip


def scans_of(view: SeriesView) -> list[list[int]]:
    """Slices by scan or volume, as indices in spatial order: each has one slice at each place."""
    volumes = view.once(volumes_of)
    if not volumes.untold:
        return volumes.single
    places = _places(view.slices)
    if places is None:
        return volumes.single
    for signature in _signatures(view.slices):
        groups: dict[str, list[int]] = {}
        for index, value in enumerate(signature):
            groups.setdefault(value, []).append(index)
        parts = list(groups.values())
        if len(parts) > 1 and all(len({places[index] for index in part}) == len(part) for part in parts):
            return parts
    return _by_rank(view.slices, places)


def _places(slices: Sequence[Slice]) -> list[int] | None:
    positions = [one.place_mm for one in slices]
    places_mm = [one for one in positions if one is not None]
    if len(places_mm) < len(slices):
        return None
    return [int(one) for one in same_places(places_mm, min(one.position_unit_mm for one in slices))]


def _signatures(slices: Sequence[Slice]) -> list[list[str]]:
    """What may differ between scans, one list for each sign with a value for each slice."""
    headers = [header_texts(one.path, _KEYWORDS).values() for one in slices]
    signs = [list(values) for values in zip(*headers, strict=True)]
    roots = [one.uid.rpartition(".")[0] for one in slices]
    return [*signs, roots, [str(one.path.parent) for one in slices]]


def _by_rank(slices: Sequence[Slice], places: Sequence[int]) -> list[list[int]]:
    """The first of each place together, the second, and so on; in the order of their UIDs."""
    ranks: dict[int, int] = {}
    groups: dict[int, list[int]] = {}
    for index in sorted(range(len(slices)), key=lambda one: slices[one].uid):
        rank = ranks.get(places[index], 0)
        ranks[places[index]] = rank + 1
        groups.setdefault(rank, []).append(index)
    return [sorted(one) for one in groups.values()]
