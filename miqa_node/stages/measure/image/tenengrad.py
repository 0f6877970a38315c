"""Strength of edges: the mean squared gradient."""

from __future__ import annotations

from miqa_node.libraries.plain_statistics.scales import POSITIVE
from miqa_node.stages.measure.base import ImageMeasure
from miqa_node.stages.measure.image.neighbours import neighbour_differences
from miqa_node.stages.measure.view import ImageView


def _energy(view: ImageView) -> float:
    """Mean of Gx² + Gy² of levels in [0, 255]; 8² for a ramp of one level per pixel, except at the image's edges.

    >>> import numpy as np
    >>> 60.0 < TENENGRAD.of(np.indices((40, 40))[1] * 257) < 64.0
    True
    """
    return view.once(neighbour_differences).gradient_energy


TENENGRAD = ImageMeasure(
    name="tenengrad",
    unit="1",
    is_learned_soon=True,
    least_spread_share=0.05,
    scale=POSITIVE,
    label="Tenengrad",
    summary="Mean squared Sobel gradient of the image: strength of edges.",
    definition="Mean of Gx² + Gy² with 3 × 3 Sobel kernels, on the scale of `laplacian_variance` (Krotkov, IJCV 1, "
    "1988).",
    validity="Images of one detector, body part and processing, compared with each other; noise and edge enhancement "
    "raise it, too.",
    tolerance="Repeated with other noise within 0.2 %. How much blur a difference stands for is not known: it depends "
    "on the picture.",
    section="Sharpness",
    rank=120,
    least_side_px=32,
    take=_energy,
)
