"""Detail and noise together: the variance of the Laplacian."""

from __future__ import annotations

from miqa_node.libraries.plain_statistics.scales import POSITIVE
from miqa_node.stages.measure.base import ImageMeasure
from miqa_node.stages.measure.image.neighbours import neighbour_differences
from miqa_node.stages.measure.view import ImageView


def _variance(view: ImageView) -> float:
    """Variance of the 4-neighbour Laplacian of levels in [0, 255]; 0 for a linear ramp.

    >>> import numpy as np
    >>> round(LAPLACIAN_VARIANCE.of(np.indices((40, 40))[1] * 257), 3) < 50.0
    True
    """
    return view.once(neighbour_differences).laplacian_variance


LAPLACIAN_VARIANCE = ImageMeasure(
    name="laplacian_variance",
    unit="1",
    is_learned_soon=True,
    least_spread_share=0.05,
    scale=POSITIVE,
    label="Variance of Laplacian",
    code="LAPLACIAN_VAR",
    summary="Variance of the Laplacian of the image: detail and noise together.",
    definition="Variance of the 4-neighbour Laplacian of presentation values scaled to 0–255 (Pech-Pacheco et al., "
    "ICPR 2000). Falls with blur, rises with noise.",
    validity="Images of one detector, body part and processing, compared with each other; noise and edge enhancement "
    "raise it, too.",
    tolerance="Repeated with other noise within 0.5 %. How much blur a difference stands for is not known: it depends "
    "on the picture.",
    section="Sharpness",
    rank=110,
    least_side_px=32,
    take=_variance,
)
