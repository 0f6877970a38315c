"""What a series consists of: whether limits can apply to its stack, what is missing, and what is odd."""

from __future__ import annotations

from collections.abc import Sequence

from miqa_node.core.domain.assessment import PlausibilityIssue
from miqa_node.core.domain.codes import OTHER_FAILURE
from miqa_node.core.language.phrase import Phrase, joined
from miqa_node.stages.measure.slices import Slice, odd_members, of_other_sizes

MOST_NUMBERS = 5
"""Of so many slices the numbers are listed; of more only the first ones."""
NUMBERED_SHARE = 0.8
"""With fewer of the numbers between the first and the last present, a series is not numbered one by one."""

SINGLE_SLICE = Phrase(
    "This is a single slice without the others of its series. Noise, gaps and coverage are properties of the series."
)
ONE_OF_EACH = Phrase(
    "No two slices of the series have the same orientation and size, as in a localizer of three planes: there is no "
    "stack. Noise, gaps and coverage are properties of a stack."
)
COMPUTED = Phrase(
    "The images were computed from others, as Image Type says: a reformat, a projection or a map. Noise and sharpness "
    "are those of the computation; the images that it was made from are judged."
)


def unfit_reason(every: Sequence[Slice], stack: Sequence[Slice]) -> str:
    """Why no limit can apply to the stack, however good its slices are; empty if limits can."""
    if stack and stack[0].is_computed:
        return COMPUTED
    if len(stack) != 1:
        return ""
    others = odd_members(every, stack).turned or of_other_sizes(every, stack)
    return ONE_OF_EACH if others else SINGLE_SLICE


def member_issues(every: Sequence[Slice], stack: Sequence[Slice], captures: int) -> tuple[PlausibilityIssue, ...]:
    """What is missing, and what is left out of the stack; ``captures`` were sent beside the series."""
    return (*_missing(every), *_numbers_missing(every), *_odd(every, stack, captures))


def _missing(every: Sequence[Slice]) -> tuple[PlausibilityIssue, ...]:
    """Fewer images than the sender announces. A count of 1 may be of a sender that gives each slice its own series."""
    announced = max((one.announced for one in every), default=0)
    here = len({one.digest for one in every})
    if not announced > 1 or here >= announced:
        return ()
    text = Phrase(
        "{here} of the {announced} images of the series that the header announces are here. Send the others.",
        here=f"{here}",
        announced=f"{announced}",
    )
    return (PlausibilityIssue("series_incomplete", text, OTHER_FAILURE),)


def _numbers_missing(every: Sequence[Slice]) -> tuple[PlausibilityIssue, ...]:
    """Instance Numbers that the series skips, if it is numbered one by one."""
    numbers = {one.number for one in every if one.number > 0}
    if not numbers:
        return ()
    expected = range(min(numbers), max(numbers) + 1)
    missing = [number for number in expected if number not in numbers]
    if not missing or len(numbers) < NUMBERED_SHARE * len(expected):
        return ()
    text = Phrase("Instance Numbers that no image of the series has: {numbers}.", numbers=_listed(missing))
    return (PlausibilityIssue("instance_numbers_missing", text, OTHER_FAILURE),)


def _odd(every: Sequence[Slice], stack: Sequence[Slice], captures: int) -> tuple[PlausibilityIssue, ...]:
    odd = odd_members(every, stack)
    captured = len(odd.captures) + captures
    parts = [
        *_part(Phrase("localizers"), odd.localizers),
        *_part(Phrase("computed images"), odd.computed),
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
    numbers = _listed(sorted({one.number for one in members}))
    return [Phrase("{kind}: {count} (Instance Number {numbers})", kind=kind, count=f"{len(members)}", numbers=numbers)]


def _counted(kind: str, count: int) -> str:
    return Phrase("{kind}: {count}", kind=kind, count=f"{count}")


def _listed(numbers: Sequence[int]) -> str:
    """The first numbers.

    >>> _listed([3, 4, 9])
    '3, 4, 9'
    """
    return ", ".join(map(str, numbers[:MOST_NUMBERS])) + (" …" if len(numbers) > MOST_NUMBERS else "")
