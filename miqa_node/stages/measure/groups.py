"""Elements of a frame of an enhanced image, which lie in functional groups (PS3.3 C.7.6.16)."""

from __future__ import annotations

from pydicom import Dataset


def group_of(ds: Dataset, frame: int, keyword: str) -> Dataset:
    """The item with the elements: the frame's group, the shared one, else the data set itself."""
    per_frame = ds.get("PerFrameFunctionalGroupsSequence") or []
    for groups in (per_frame[frame : frame + 1], ds.get("SharedFunctionalGroupsSequence") or []):
        if groups and groups[0].get(keyword):
            group: Dataset = groups[0][keyword].value[0]
            return group
    return ds
