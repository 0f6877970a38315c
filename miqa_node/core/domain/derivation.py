"""Which images show one exposure: raw data, bone-suppressed and dual-energy images beside the plain radiograph.

An exposure is counted once, as the plainest of its images; the others derive from that. A doubt counts as two.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from miqa_node.core.domain.instance import Derivation, Header
from miqa_node.core.language.phrase import Phrase

_RAW, _SHOWN = "FOR PROCESSING", "FOR PRESENTATION"


class DerivedReason(StrEnum):
    """Why the rules for plain radiographs do not apply to an image."""

    ENERGY = "A dual-energy or subtracted image: rules for plain radiographs do not apply to it."
    PAGE = "A page, a screen or a workstation's picture, as Image Type or Conversion Type says: it is no radiograph."
    SUPPRESSED = "An image with bones suppressed: rules for plain radiographs do not apply to it."
    RAW = "Raw data of an exposure of which there is an image for presentation: that one is judged."
    OTHER = "Derived from another image of the same exposure: that one is judged."


_REASONS = {one: DerivedReason[one.name] for one in (Derivation.ENERGY, Derivation.SUPPRESSED, Derivation.PAGE)}


def rank(header: Header) -> tuple[bool, bool, bool]:
    """How far an image is from the plain radiograph of its exposure, whose rank is the lowest: all False."""
    return header.derivation in _REASONS, header.presentation_intent_type == _RAW, _is_derived(header)


def derived_reason(header: Header, others: Iterable[Header]) -> str:
    """Why an image is not judged like a plain radiograph; ``others`` are of the same exposure. Empty if it is one."""
    if reason := _REASONS.get(header.derivation):
        return Phrase(reason.value)
    if not any(rank(other) < rank(header) for other in others):
        return ""
    return Phrase((DerivedReason.RAW if header.presentation_intent_type == _RAW else DerivedReason.OTHER).value)


def is_same_exposure(one: Header, other: Header) -> bool:
    """Whether two images of a patient show the same exposure, beyond doubt.

    By Irradiation Event UID (0008,3010); where one has none, by Source Image Sequence, or by station and the second of
    acquisition, if Image Type or Presentation Intent Type says that one was made from the other. Each stitched image
    is an exposure of its own, and so is each of its parts.
    """
    if _contradict(one, other) or _is_stitched(one, other):
        return False
    if one.irradiation_event_uids and other.irradiation_event_uids:
        return _shares_event(one, other)
    if other.sop_instance_uid == one.source_instance_uid or one.sop_instance_uid == other.source_instance_uid:
        return True
    return _is_at_once(one, other) and bool(one.station_name) and _is_made_from(one, other)


def _contradict(one: Header, other: Header) -> bool:
    pairs = (
        (one.modality, other.modality),
        (one.view_position, other.view_position),
        (one.image_laterality, other.image_laterality),
    )
    return any(a and b and a != b for a, b in pairs)


def _is_stitched(one: Header, other: Header) -> bool:
    """Stitched images are not the exposure of another image, but for the raw data of the same composition."""
    stitched = [header.derivation is Derivation.STITCHED for header in (one, other)]
    return any(stitched) and not (all(stitched) and _is_raw_and_shown(one, other))


def _shares_event(one: Header, other: Header) -> bool:
    events, others = set(one.irradiation_event_uids), set(other.irradiation_event_uids)
    if not events & others:
        return False
    if events != others and (one.rows, one.columns) != (other.rows, other.columns):
        return False  # composed of several exposures, without saying so
    # The same UID at two times, and neither made from the other: the writer gives one UID to all.
    both_known = one.is_acquired_at and other.is_acquired_at
    return not (both_known and one.acquired_at != other.acquired_at and rank(one) == rank(other))


def _is_at_once(one: Header, other: Header) -> bool:
    if not one.is_acquired_at or not other.is_acquired_at or one.acquired_at != other.acquired_at:
        return False
    return (one.station_name, one.detector_id) == (other.station_name, other.detector_id)


def _is_made_from(one: Header, other: Header) -> bool:
    kinds = one.derivation in _REASONS, other.derivation in _REASONS
    return (
        _is_raw_and_shown(one, other)
        or _is_derived(one) != _is_derived(other)
        or (any(kinds) and one.image_type != other.image_type)
    )


def _is_raw_and_shown(one: Header, other: Header) -> bool:
    return {one.presentation_intent_type, other.presentation_intent_type} == {_RAW, _SHOWN}


def _is_derived(header: Header) -> bool:
    return header.image_type[:1] == ("DERIVED",)
