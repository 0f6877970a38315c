"""A measure of phantoms: the mean signal in the middle of a uniform MR phantom."""

from collections.abc import Sequence

from miqa_node.api import PhantomKind, PhantomMeasure, PhantomQuantity, PhantomStack, PhantomValue

miqa_api = 1
SIGNAL = PhantomQuantity("middle_signal", "1", "Mean of 20 × 20 pixels in the middle of the middle slice.")


def run(stack: PhantomStack, measure: PhantomMeasure) -> Sequence[PhantomValue]:
    """The mean, and the slice on which it was read."""
    place = len(stack.images) // 2
    row, column = (size // 2 for size in stack.images[place].shape)
    middle = stack.images[place][row - 10 : row + 10, column - 10 : column + 10]
    return (SIGNAL.read(float(middle.mean()), measure.source, stack.read_on(place)),)


MEASURE = PhantomMeasure(
    name="middle_signal",
    kinds=frozenset({PhantomKind.MR_UNIFORM}),
    values=(SIGNAL,),
    formula="mean of 20 × 20 pixels",
    source="the site's own",
    tolerance="1 %",
    run=run,
)
