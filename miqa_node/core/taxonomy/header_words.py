"""What of a stored header an erasure leaves: numbers, UIDs, what a machine is, and words of fixed lists. No other text.

A field of text that is named nowhere here is emptied, so a field that is added is, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from miqa_node.core.domain.instance import is_uid
from miqa_node.core.taxonomy.anatomy import STANDARD

STAYING = frozenset({
    "sop_class_uid", "sop_instance_uid", "series_instance_uid", "study_instance_uid", "transfer_syntax_uid",
    "station_name", "manufacturer", "manufacturer_model_name", "detector_id", "software_versions",
    "acquired_at", "derivation", "missing_uids",
})  # fmt: skip
"""What names objects, a machine, a time, and words of the node's own."""
# fmt: off
MODALITIES = frozenset({
    "AR", "AS", "ASMT", "AU", "BDUS", "BI", "BMD", "CD", "CF", "CP", "CR", "CS", "CT", "CTPROTOCOL", "DD", "DF",
    "DG", "DM", "DOC", "DS", "DSA", "DX", "EC", "ECG", "EEG", "EM", "EMG", "EOG", "EPS", "ES", "FA", "FID",
    "FS", "GM", "HC", "HD", "IO", "IVOCT", "IVUS", "KER", "KO", "LEN", "LP", "LS", "M3D", "MA", "MG", "MR",
    "MS", "NM", "OAM", "OCT", "OP", "OPM", "OPR", "OPT", "OPTBSV", "OPTENF", "OPV", "OSS", "OT", "PA", "PLAN",
    "POS", "PR", "PT", "PX", "REG", "RESP", "RF", "RG", "RTDOSE", "RTIMAGE", "RTINTENT", "RTPLAN", "RTRAD",
    "RTRECORD", "RTSEGANN", "RTSTRUCT", "RWV", "SEG", "SM", "SMR", "SR", "SRF", "ST", "STAIN", "TEXTUREMAP",
    "TG", "US", "VA", "VF", "XA", "XAPROTOCOL", "XC",
})
"""Defined Terms of PS3.3 C.7.3.1.1.1, retired ones included."""
PHOTOMETRIC = frozenset({
    "MONOCHROME1", "MONOCHROME2", "RGB", "HSV", "ARGB", "CMYK", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422",
    "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT", "XYB", "PALETTE COLOR",
})
IMAGE_TYPES = frozenset({
    "ORIGINAL", "DERIVED", "PRIMARY", "SECONDARY", "MIXED", "AXIAL", "LOCALIZER", "VOLUME", "NONE", "OTHER",
    "M", "P", "R", "I", "SE", "NORM", "DIS2D", "DIS3D", "MPR", "MIP", "MINIP", "ADC", "FA", "TRACEW",
    "DIFFUSION", "POST_PROCESSED", "TOMO", "TOMOSYNTHESIS", "GENERATED_2D", "WHOLE_BODY", "STATIC", "DYNAMIC",
    "GATED", "SINGLE PLANE", "BIPLANE A", "BIPLANE B", "WHOLE BODY", "RECON TOMO", "RECON GATED TOMO",
})
# fmt: on
_DIRECTIONS = re.compile(r"[APRLHF]{0,3}")


def _is_part(text: str) -> bool:
    return set(text.split()) <= STANDARD.body_parts.terms


WORDS: Mapping[str, Callable[[str], bool]] = {
    "modality": MODALITIES.__contains__,
    "body_part_examined": _is_part,
    "view_position": STANDARD.views.terms.__contains__,
    "image_laterality": "LRBU".__contains__,
    "photometric_interpretation": PHOTOMETRIC.__contains__,
    "presentation_intent_type": ("FOR PRESENTATION", "FOR PROCESSING").__contains__,
    "burned_in_annotation": ("YES", "NO").__contains__,
    "image_type": IMAGE_TYPES.__contains__,
    "patient_orientation": lambda text: _DIRECTIONS.fullmatch(text) is not None,
    "frame_of_reference_uid": is_uid,
    "irradiation_event_uids": is_uid,
    "source_instance_uid": is_uid,
}
"""By field: whether a text is a word of its list."""
CITED = frozenset(WORDS) - {"image_type", "frame_of_reference_uid", "irradiation_event_uids", "source_instance_uid"}
"""Fields that sentences of the node may cite."""


def without_texts(header: Mapping[str, Any]) -> dict[str, Any]:
    """A stored header with all its keys, and empty where a text may be about the patient."""
    return {field: _emptied(field, value) for field, value in header.items()}


def texts_of(header: Mapping[str, Any], fields: Collection[str] | None = None) -> set[str]:
    """The texts that :func:`without_texts` takes out; ``fields``: of these only."""
    return {
        text
        for field, value in header.items()
        if fields is None or field in fields
        for text in (value if isinstance(value, list | tuple) else [value])
        if isinstance(text, str) and text and not _stays(field, text)
    }


def _emptied(field: str, value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_emptied(field, one) for one in value]
    return "" if isinstance(value, str) and not _stays(field, value) else value


def _stays(field: str, text: str) -> bool:
    return field in STAYING or (field in WORDS and WORDS[field](text))
