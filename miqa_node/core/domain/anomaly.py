"""How unusual an image is: a score and its rank. It does not say which defect the image has."""

from __future__ import annotations

from dataclasses import dataclass

from miqa_node.core.language.phrase import Phrase


@dataclass(frozen=True, slots=True)
class AnomalyScore:
    """The rank of an image among ordinary ones.

    ``score`` is in (0, 1), higher is more unusual (docs/explanation/anomaly.md). The percentiles, 0 to 100, are the
    share of baseline images with a lower score; ``site_percentile`` is None until the site has its own baseline.
    """

    score: float
    training_percentile: float
    site_percentile: float | None = None

    @property
    def percentile(self) -> float:
        """The percentile among the site's own images if there are enough, otherwise among the training images."""
        return self.training_percentile if self.site_percentile is None else self.site_percentile

    @property
    def is_of_site(self) -> bool:
        """Whether the site's own images are the baseline, not those of the training."""
        return self.site_percentile is not None

    @property
    def sentence(self) -> str:
        """In words, for reasons and pages.

        >>> AnomalyScore(0.6, training_percentile=99.9).sentence
        'Unusual image (top 0.1 % of the training images)'
        """
        images = Phrase("this site's images") if self.is_of_site else Phrase("the training images")
        share = f"{max(100.0 - self.percentile, 0.1):.1f} %"
        return Phrase("Unusual image (top {share} of {images})", share=share, images=images)
