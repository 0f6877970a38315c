"""What a series consists of: whether limits can apply to its stack, what is missing, and what is odd."""

from __future__ import annotations

from collections.abc import Sequence

from miqa_node.core.domain.acceptance import labels
from miqa_node.core.domain.assessment import Measurement, PlausibilityIssue
from miqa_node.core.domain.codes import OTHER_FAILURE
from miqa_node.core.domain.slice_kind import KINDS, SliceKind
from miqa_node.core.language.phrase import Phrase, joined
from miqa_node.dicom.nearly import same_directions, same_places
from miqa_node.stages.measure.base import series_measures
from miqa_node.stages.measure.slices import Slice
from miqa_node.stages.measure.stack import odd_members, of_other_sizes

MOST_NUMBERS = 5
"""Of so many slices the numbers are listed; of more only the first ones."""
NUMBERED_SHARE = 0.8
"""With fewer of the numbers between the first and the last present, a series is not numbered one by one."""

UNMEASURED_SHARE = 0.1
"""With more of the slices outside the stack its measurements do not speak for the series."""

NOT_EVERYWHERE = (
    "hu_offset", "streak_index", "streak_direction", "normalised_noise", "noise_for_dose", "mr_ghost", "mr_wrap",
)  # fmt: skip
"""What tells of faults, and needs more than every header or body has."""

SINGLE_SLICE = Phrase(
    "This is a single slice without the others of its series. Noise, gaps and coverage are properties of the series."
)
ONE_OF_EACH = Phrase(
    "No two slices of the series have the same orientation and size, as in a localizer of three planes: there is no "
    "stack. Noise, gaps and coverage are properties of a stack."
)

OF_EARLIER_VERSIONS = (
    Phrase(
        "Images in Acquisition announces {announced} images, of which {here} are here: the others are missing, or are "
        "in another series."
    ),
)
"""What stored verdicts say and no series raises any more."""


def unfit_reason(every: Sequence[Slice], stack: Sequence[Slice]) -> str:
    """Why no limit can apply to the stack, however good its slices are; empty if limits can."""
    if stack and stack[0].kind.unjudged:
        return stack[0].kind.unjudged
    if len(stack) != 1:
        return ""
    others = odd_members(every, stack).turned or of_other_sizes(every, stack)
    return ONE_OF_EACH if others else SINGLE_SLICE


def member_issues(every: Sequence[Slice], stack: Sequence[Slice], captures: int) -> tuple[PlausibilityIssue, ...]:
    """What is missing, and what is left out of the stack; ``captures`` were sent beside the series."""
    return (
        *_missing(every),
        *_numbers_missing(every),
        *_unplaced(stack),
        *_begun_late(every),
        *_odd(every, stack, captures),
        *_unmeasured(every, stack),
    )


def left_out(modality: str, kind: SliceKind) -> tuple[PlausibilityIssue, ...]:
    """Which measurements were not taken because they mean nothing for the kind, and why."""
    by_reason: dict[str, list[str]] = {}
    for one in series_measures(modality):
        if reason := kind.without.get(one.name):
            by_reason.setdefault(reason, []).append(one.name)
    if not by_reason:
        return ()
    parts = [
        Phrase("{measurements} ({reason})", measurements=labels(names), reason=reason)
        for reason, names in by_reason.items()
    ]
    text = Phrase("Not measured, because these are {kind}: {parts}.", kind=kind.title, parts=joined("; ", parts))
    return (PlausibilityIssue("measures_left_out", text, OTHER_FAILURE),)


def untold(places: int) -> tuple[PlausibilityIssue, ...]:
    """Places with several slices that nothing in the headers tells apart."""
    if not places:
        return ()
    text = Phrase(
        "Nothing in the headers tells apart the slices that share a place, at {places} places. Slices are compared "
        "with their neighbours only where that is sure.",
        places=str(places),
    )
    return (PlausibilityIssue("volumes_untold", text, OTHER_FAILURE),)


def unchecked(modality: str, kind: SliceKind, measurements: Sequence[Measurement]) -> tuple[PlausibilityIssue, ...]:
    """Which faults nobody looked for, although the series may be ACCEPT."""
    open_names = {one.name for one in series_measures(modality)} - {one.name for one in measurements}
    open_names -= set(kind.without)
    missing = [name for name in NOT_EVERYWHERE if name in open_names]
    if not missing:
        return ()
    text = Phrase("Not checked, because header or pixels do not show it: {measurements}.", measurements=labels(missing))
    return (PlausibilityIssue("faults_unchecked", text, OTHER_FAILURE),)


def _missing(every: Sequence[Slice]) -> tuple[PlausibilityIssue, ...]:
    """Fewer images than the sender announces: of the series, or of a volume.

    A count of 1 may be of a sender that gives each slice its own series, or that does not count. Images in Acquisition
    (0020,1002) counts an acquisition, which may be one pass of several or in several series, and so announces nothing.
    """
    series = max((one.announced.series for one in every), default=0)
    here = len({one.digest for one in every})
    if series > 1 and here < series:
        text = Phrase(
            "{here} of the {announced} images of the series that the header announces are here. Send the others.",
            here=f"{here}",
            announced=f"{series}",
        )
        return (PlausibilityIssue("series_incomplete", text, OTHER_FAILURE),)
    slices, places = _agreed([one.announced.slices for one in every]), _places(every)
    if slices > 1 and max(places, len(every)) < slices:  # some makers count the slices of all volumes
        text = Phrase(
            "{here} of the {announced} slices that Number of Slices announces are here. Send the others.",
            here=f"{places}",
            announced=f"{slices}",
        )
        return (PlausibilityIssue("series_incomplete", text, OTHER_FAILURE),)
    return ()


def _agreed(counts: Sequence[int]) -> int:
    """The count on which all images agree; 0 if they do not."""
    return counts[0] if len(set(counts)) == 1 else 0


def _places(every: Sequence[Slice]) -> int:
    """Slices at one place are of several volumes; those without a place count each."""
    placed = [one for one in every if one.place_mm is not None]
    by_plane: dict[int, list[float]] = {}
    for one, plane in zip(placed, same_directions([one.orientation for one in placed]).tolist(), strict=True):
        by_plane.setdefault(plane, []).append(one.place_mm or 0.0)
    return sum(int(same_places(places).max()) for places in by_plane.values()) + len(every) - len(placed)


def _unplaced(stack: Sequence[Slice]) -> tuple[PlausibilityIssue, ...]:
    """Slices that cannot be put in order: what is missing between them, or there twice, is not seen."""
    without = [one for one in stack if one.place_mm is None]
    if not without or len(stack) < 2:
        return ()
    text = Phrase(
        "{without} of {slices} slices have no Image Position (Patient) or no Image Orientation (Patient): gaps, places "
        "taken twice and distances of slices were not looked for.",
        without=f"{len(without)}",
        slices=f"{len(stack)}",
    )
    return (PlausibilityIssue("positions_missing", text, OTHER_FAILURE),)


def _begun_late(every: Sequence[Slice]) -> tuple[PlausibilityIssue, ...]:
    """A hint only: scanners number phases, stations and reconstructions on, and begin elsewhere."""
    lowest = min((one.instance_number for one in every), default=0)
    if lowest <= 1 or len({one.digest for one in every}) < 2:
        return ()
    text = Phrase(
        "The lowest Instance Number is {number}: images before it may be missing, unless the scanner begins there.",
        number=f"{lowest}",
    )
    return (PlausibilityIssue("instance_numbers_begin_late", text, OTHER_FAILURE),)


def _unmeasured(every: Sequence[Slice], stack: Sequence[Slice]) -> tuple[PlausibilityIssue, ...]:
    """Too many slices of another orientation, Frame of Reference or size than the stack."""
    outside = len(odd_members(every, stack).turned) + len(of_other_sizes(every, stack))
    whole = len(stack) + outside
    if outside <= UNMEASURED_SHARE * whole:
        return ()
    text = Phrase(
        "{outside} of {whole} slices have another orientation or size than the stack and were not measured.",
        outside=f"{outside}",
        whole=f"{whole}",
    )
    return (PlausibilityIssue("slices_unmeasured", text, OTHER_FAILURE),)


def _numbers_missing(every: Sequence[Slice]) -> tuple[PlausibilityIssue, ...]:
    """Instance Numbers that the series skips, if it is numbered one by one."""
    numbers = {one.instance_number for one in every if one.instance_number > 0}
    if not numbers:
        return ()
    count = max(numbers) - min(numbers) + 1
    if len(numbers) == count or len(numbers) < NUMBERED_SHARE * count:
        return ()
    missing = [number for number in range(min(numbers), max(numbers)) if number not in numbers]
    text = Phrase("Instance Numbers that no image of the series has: {numbers}.", numbers=_listed(missing))
    return (PlausibilityIssue("instance_numbers_missing", text, OTHER_FAILURE),)


def _odd(every: Sequence[Slice], stack: Sequence[Slice], captures: int) -> tuple[PlausibilityIssue, ...]:
    odd = odd_members(every, stack)
    captured = len(odd.captures) + captures
    parts = [
        *(part for kind in KINDS for part in _part(kind.title, odd.kinds.get(kind, ()))),
        *_part(Phrase("slices of another orientation"), odd.turned),
        *([_counted(Phrase("captures"), captured)] if captured else []),
    ]
    if not parts:
        return ()
    text = Phrase("Left out of the stack: {parts}.", parts=joined(", ", parts))
    return (PlausibilityIssue("slices_left_out", text, OTHER_FAILURE),)


def _part(kind: str, members: Sequence[Slice]) -> list[str]:
    if not members:
        return []
    numbers = _listed(sorted({one.instance_number for one in members}))
    return [Phrase("{kind}: {count} (Instance Number {numbers})", kind=kind, count=f"{len(members)}", numbers=numbers)]


def _counted(kind: str, count: int) -> str:
    return Phrase("{kind}: {count}", kind=kind, count=f"{count}")


def _listed(numbers: Sequence[int]) -> str:
    """The first numbers.

    >>> _listed([3, 4, 9])
    '3, 4, 9'
    """
    return ", ".join(map(str, numbers[:MOST_NUMBERS])) + (" …" if len(numbers) > MOST_NUMBERS else "")
