"""Reads the data set before the pixels, and inflates a deflated one no further.

pydicom inflates a whole deflated data set to read any of it; a few hundred kilobytes may become gigabytes.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from pathlib import Path

from pydicom import dcmread
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.filereader import read_dataset, read_file_meta_info
from pydicom.tag import BaseTag

from miqa_node.dicom.elements import Elements, inflate_head, read_elements


def read_head(path: Path, *, force: bool = False, tags: list[str] | None = None) -> FileDataset:
    """Like ``dcmread(path, stop_before_pixels=True)``, for every transfer syntax; only ``tags`` where that saves time.

    Raises
    ------
    DataSetError
        A deflated data set is damaged, or longer before its pixels than
        :data:`~miqa_node.dicom.elements.MAX_INFLATED_BYTES`.
    InvalidDicomError
        The file is not DICOM, and ``force`` is not set.
    """
    head = inflate_head(path)
    if head is None:
        return dcmread(path, stop_before_pixels=True, force=force, specific_tags=tags)
    meta = read_file_meta_info(path)
    ds = read_dataset(io.BytesIO(head.data), is_implicit_VR=False, is_little_endian=True)
    read = FileDataset(str(path), ds, file_meta=meta, is_implicit_VR=False, is_little_endian=True)
    read.set_original_encoding(False, True, ds.original_character_set)
    return read


def tags_of(keywords: Iterable[str]) -> frozenset[int]:
    """Tags of standard keywords, for :func:`read_some`."""
    return frozenset(tag for tag in map(tag_for_keyword, keywords) if tag is not None)


def read_some(path: Path, tags: AbstractSet[int]) -> Dataset:
    """The elements of these tags (0xGGGGEEEE), in a quarter of the time of the whole header.

    Without Specific Character Set (0008,0005) among them, text beyond ASCII is not decoded as it was meant.

    Raises
    ------
    DataSetError
        The file is not DICOM.
    """
    elements = read_elements(path, tags)
    ds = Dataset(raw_elements(elements))
    ds.set_original_encoding(elements.implicit, not elements.big_endian)
    return ds


def raw_elements(elements: Elements) -> dict[BaseTag, DataElement | RawDataElement]:
    """The elements in pydicom's form."""
    return {
        BaseTag(tag): RawDataElement(
            BaseTag(tag), element.vr or None, len(element.value), element.value, 0, elements.implicit,
            not elements.big_endian,
        )
        for tag, element in elements.by_tag.items()
    }  # fmt: skip


def drop_unreadable(ds: Dataset) -> int:
    """Remove the elements that pydicom cannot read, also those in items; return how many there were.

    It reads each value at its first use, and raises many kinds of errors for one that contradicts its VR. Reading all
    of them takes as long as making a report, so this is for headers that have proved to have such values.
    """
    dropped = 0
    for tag in list(ds.keys()):
        try:
            element = ds[tag]
        except Exception:  # noqa: BLE001
            del ds[tag]
            dropped += 1
            continue
        if element.VR == "SQ":
            dropped += sum(map(drop_unreadable, element.value))
    return dropped
