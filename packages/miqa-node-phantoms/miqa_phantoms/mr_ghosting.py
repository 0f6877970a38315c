"""Ghosting of plain MR phantoms, such as a small bottle: signal where only a ghost can be, along the phase encoding."""

from __future__ import annotations

from collections.abc import Sequence

from miqa_node.core.domain.phantom import PhantomKind
from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.measure import PhantomMeasure, PhantomQuantity
from miqa_node.features.phantoms.stack import NO_PHASE, PhantomStack
from miqa_node.features.phantoms.values import PhantomValue
from miqa_node.stages.measure.series_view import Values
from miqa_phantoms.mr_object import NO_OBJECT, MrObject, box, mr_object_of

GAP_MM = 20.0
"""Beside the phantom: its own blur and ringing are no ghost."""
BORDER_MM = 5.0
"""At the edge of the field of view."""
LEAST_MM = 15.0
SIGNAL_MM = 10.0
NO_ROOM = Phrase("The field of view leaves no room for a region of air beside the phantom.")
Window = tuple[slice, slice]


def run(stack: PhantomStack, measure: PhantomMeasure) -> Sequence[PhantomValue]:
    """See ``MEASURE``."""
    body = mr_object_of(stack)
    if body is None:
        return measure.none(NO_OBJECT)
    along_rows = stack.slices[body.place].phase_columns
    if along_rows is None:
        return measure.none(NO_PHASE)
    windows = ghost_and_noise(body, stack.spacing_mm, along_rows=along_rows)
    if windows is None:
        return measure.none(NO_ROOM)
    half = [max(1, round(SIGNAL_MM / 2.0 / one)) for one in stack.spacing_mm]
    row, column = round(body.row), round(body.column)
    signal = slice(row - half[0], row + half[0]), slice(column - half[1], column + half[1])
    ghost, noise, phantom = (float(body.image[one].mean()) for one in (*windows, signal))
    if phantom <= 0.0:
        return measure.none(Phrase("The slice has no signal."))
    regions = [box(*one, label) for one, label in zip((*windows, signal), ("ghost", "noise", "phantom"), strict=True)]
    percent = 100.0 * abs(ghost - noise) / phantom
    return (measure.values[0].read(percent, measure.source, stack.read_on(body.place), regions),)


def ghost_and_noise(
    body: MrObject, spacing_mm: tuple[float, float], *, along_rows: bool
) -> tuple[Window, Window] | None:
    """Where a ghost can be, beside the phantom along the phase encoding, and where none can be.

    ``along_rows``: phase is encoded down the columns, so ghosts lie above and below.
    """
    edges = ((body.top, body.bottom), (body.left, body.right))
    phase, other = (0, 1) if along_rows else (1, 0)
    beside = _widest(body.image, edges, spacing_mm, phase)
    aside = _widest(body.image, edges, spacing_mm, other)
    if beside is None or aside is None:
        return None
    across = slice(edges[other][0], edges[other][1] + 1)
    ghost, noise = ((beside, across), (beside, aside))
    return (ghost, noise) if along_rows else (ghost[::-1], noise[::-1])


def _widest(
    image: Values, edges: tuple[tuple[int, int], tuple[int, int]], spacing_mm: tuple[float, float], axis: int
) -> slice | None:
    """The wider of the two stretches of air beside the phantom along an axis; None if both are too narrow."""
    gap, border = round(GAP_MM / spacing_mm[axis]), round(BORDER_MM / spacing_mm[axis])
    before = slice(border, edges[axis][0] - gap)
    after = slice(edges[axis][1] + 1 + gap, image.shape[axis] - border)
    widest = max((before, after), key=lambda one: one.stop - one.start)
    return widest if (widest.stop - widest.start) * spacing_mm[axis] >= LEAST_MM else None


MEASURE = PhantomMeasure(
    name="mr_ghosting",
    order=19,
    kinds=frozenset({PhantomKind.MR_UNIFORM}),
    values=(
        PhantomQuantity(
            "ghost_percent",
            "%",
            Phrase(
                "Ghosting: mean signal beside the phantom along the phase encoding, less that of air where no ghost "
                "can be, as a share of the phantom's signal."
            ),
        ),
    ),
    formula="100 · |ghost − air| / phantom",
    source="IPEM Report 112, small bottle method, as hazen 2.0.0 quotes it in ghosting.py",
    tolerance="0.1 percentage points",
    run=run,
)
