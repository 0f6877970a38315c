"""How unusual an image is: a score and its rank. It does not say which defect the image has."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Baseline(StrEnum):
    """The images that an anomaly score is ranked among."""

    TRAINING = "training"
    SITE = "site"


@dataclass(frozen=True, slots=True)
class AnomalyScore:
    """Where an image stands among ordinary ones.

    ``score`` is in (0, 1), higher is more unusual (docs/explanation/anomaly.md). The percentiles, 0 to 100, say how
    many images of a baseline score lower; ``site_percentile`` is None until the site has its own baseline.
    """

    score: float
    training_percentile: float
    site_percentile: float | None = None

    @property
    def percentile(self) -> float:
        """Against the site's own images where there are enough of them, else against those of the training."""
        return self.training_percentile if self.site_percentile is None else self.site_percentile

    @property
    def baseline(self) -> Baseline:
        """What :attr:`percentile` refers to."""
        return Baseline.TRAINING if self.site_percentile is None else Baseline.SITE

    @property
    def sentence(self) -> str:
        """In words, for reasons and pages.

        >>> AnomalyScore(0.6, training_percentile=99.9).sentence
        'Unusual image (top 0.1 % of the training images)'
        """
        images = "the training images" if self.baseline is Baseline.TRAINING else "this site's images"
        return f"Unusual image (top {max(100.0 - self.percentile, 0.1):.1f} % of {images})"
