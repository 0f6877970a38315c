"""How unlike other images an image is: a number and its rank, never what is wrong with the image."""

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
    many images of a baseline score lower; ``site_percentile`` is None until the site has a baseline of its own.
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
        """What to tell people."""
        images = "images that the model learned from" if self.baseline is Baseline.TRAINING else "images of this site"
        return f"Unusual image: more unlike the others than {self.percentile:.1f} % of the {images}"
