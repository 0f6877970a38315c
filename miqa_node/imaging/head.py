"""Reads the data set before the pixels, and inflates a deflated one no further.

pydicom inflates a whole deflated data set to read any of it; a few hundred kilobytes may become gigabytes.
"""

from __future__ import annotations

import io
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import FileDataset
from pydicom.filereader import read_dataset, read_file_meta_info

from miqa_node.imaging.elements import inflate_head


def read_head(path: Path, *, force: bool = False, tags: list[str] | None = None) -> FileDataset:
    """Like ``dcmread(path, stop_before_pixels=True)``, for every transfer syntax; only ``tags`` where that saves time.

    Raises
    ------
    DataSetError
        A deflated data set is damaged, or longer before its pixels than
        :data:`~miqa_node.imaging.elements.MAX_INFLATED_BYTES`.
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
