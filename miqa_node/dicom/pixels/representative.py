"""Chooses the frame that represents a multi-frame image: a cine run, a loop, a multi-frame radiograph."""

from __future__ import annotations

import warnings
from pathlib import Path

from miqa_node.dicom.bytes.head import read_head
from miqa_node.dicom.bytes.numbers import single_number


def representative_frame(path: Path, *, is_slide: bool = False) -> int:
    """The frame that is decoded, shown and measured, counted from 0.

    It is the device's choice, Representative Frame Number (0028,6010), if that frame exists. Else it is the middle
    frame, the earlier of two: a run begins before the contrast medium arrives and ends after it has left. The frames
    of a slide are tiles, possibly smaller at its edges: the first frame represents it. For an unreadable file it is 0.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd values count as absent
        try:
            header = read_head(path, force=True, tags=["NumberOfFrames", "RepresentativeFrameNumber"])
            frames = int(single_number(header, "NumberOfFrames") or 1)
            chosen = int(single_number(header, "RepresentativeFrameNumber") or 0)
        except Exception:  # noqa: BLE001 - besides those of files, any that pydicom raises for a damaged value
            return 0
    if 1 <= chosen <= frames:
        return chosen - 1
    return 0 if is_slide else (max(frames, 1) - 1) // 2
