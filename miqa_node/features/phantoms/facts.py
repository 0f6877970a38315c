"""Reads of a file of a phantom what the node's header does not have: coil, tube, echo and description."""

from __future__ import annotations

from pathlib import Path

from miqa_node.core.domain.scanner_protocol import plain
from miqa_node.dicom.bytes.head import read_some
from miqa_node.dicom.bytes.numbers import first_number
from miqa_node.errors import UnreadableError
from miqa_node.features.phantoms.origin import ScanFacts
from miqa_node.stages.measure.groups import group_of

TAGS = frozenset({
    0x00080005,  # Specific Character Set
    0x0008103E,  # Series Description
    0x00180081,  # Echo Time
    0x00181250,  # Receive Coil Name
    0x00189367,  # X-Ray Source ID
    0x52009229, 0x52009230,  # functional groups
})  # fmt: skip


def facts_of(path: Path, frame: int) -> ScanFacts:
    """Those of a frame, counted from 0; none of a file that cannot be read."""
    try:
        ds = read_some(path, TAGS)
        coil = group_of(ds, frame, "MRReceiveCoilSequence").get("ReceiveCoilName")
        echo = group_of(ds, frame, "MREchoSequence")
        time_ms = first_number(echo, "EffectiveEchoTime") or first_number(echo, "EchoTime")
        values = (ds.get("SeriesDescription"), coil, ds.get("XRaySourceID"))
        description, coil_name, tube = (plain(str(one or "")) for one in values)
        return ScanFacts(description, coil_name, tube, time_ms or None)
    except (UnreadableError, OSError, ValueError):
        return ScanFacts()
