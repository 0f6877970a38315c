"""Limits that a site can take over: those of the ACR, and those that it set for another machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from miqa_node.core.domain.phantom import PhantomKind
from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.history import PhantomHistory, ValueLimits

ACR = "acr"
Bounds = Mapping[str, tuple[float | None, float | None]]
_LARGE: Bounds = {
    "geometric_accuracy_mm": (188.0, 192.0),
    "sagittal_length_mm": (146.0, 150.0),
    "slice_thickness_mm": (4.3, 5.7),
    "slice_position_bar_difference_mm": (-5.0, 5.0),
    "piu_percent": (87.5, None),
    "psg_percent": (None, 2.5),
    "spatial_resolution_mm.best": (None, 1.0),
    "low_contrast_spokes.total": (9.0, None),
}
_CT_464: Bounds = {
    "hu_module_1.Air": (-1005.0, -970.0),
    "hu_module_1.Polyethylene": (-107.0, -84.0),
    "hu_module_1.Water": (-7.0, 7.0),
    "hu_module_1.Acrylic": (110.0, 135.0),
    "hu_module_1.Bone": (850.0, 970.0),
    "hu_uniformity_module_3.largest_difference": (None, 5.0),
    "cnr_module_2": (1.0, None),
}
_ACR: Mapping[str, tuple[Phrase, Bounds]] = {
    PhantomKind.ACR_MR_LARGE: (
        Phrase(
            "{guidance}; scanners below 3 T. At 3 T the uniformity is at least 82 %. Compare them with the edition "
            "that your accreditation asks for.",
            guidance="ACR, Phantom Test Guidance for Use of the Large MRI Phantom (2018)",
        ),
        _LARGE,
    ),
    PhantomKind.ACR_CT_464: (
        Phrase(
            "{guidance}; 120 kV, adults. Of children the contrast to noise is at least .7 (head) and .4 (abdomen). "
            "Compare them with the edition that your accreditation asks for.",
            guidance="ACR, Computed Tomography Quality Control Manual (2017)",
        ),
        _CT_464,
    ),
}


def acr_source(kind: str) -> str:
    """What says the limits of the ACR for a kind of phantom; empty if none are known here."""
    return _ACR[kind][0] if kind in _ACR else ""


def acr_bounds(kind: str) -> Bounds:
    """The least and the most of each value by the ACR; none for a kind of which they are not known here."""
    return _ACR[kind][1] if kind in _ACR else {}


def acr_limits(history: PhantomHistory, actor: str, at: datetime) -> Sequence[ValueLimits]:
    """Those of the ACR for the values that the history has."""
    return [
        ValueLimits(history.kind, history.history, name, low, high, None, None, actor, at)
        for name, (low, high) in acr_bounds(history.kind).items()
        if name in history.units or name in history.heads_of_slices
    ]


def copied(source: PhantomHistory, to: PhantomHistory, actor: str, at: datetime) -> Sequence[ValueLimits]:
    """Those of another machine and protocol, as its own."""
    own = [one for one in source.limits if one.history == source.history]
    return [replace(one, history=to.history, actor=actor, at=at) for one in own]
