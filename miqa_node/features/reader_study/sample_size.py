"""Number of images that a reader study needs, by exact binomial probabilities."""

from __future__ import annotations

from miqa_node.errors import SettingsError
from miqa_node.features.reader_study.protocol import MOST_IMAGES, ExpectedAccuracy
from miqa_node.libraries.plain_statistics.binomial import binomial_cdf

ASSURANCE = 0.9
"""Probability that the drawn images contain enough usable and enough unusable ones."""
LOOK_AHEAD = 20
"""Exact power is a saw-tooth function of the number: a number suffices only if the next ones do, too."""


def images_needed(expected: ExpectedAccuracy) -> int:
    """The number of images; SettingsError if no practical number is enough."""
    bad = cases_needed(expected.sensitivity, expected.least_sensitivity, expected.power, expected.confidence)
    good = cases_needed(expected.specificity, expected.least_specificity, expected.power, expected.confidence)

    def enough(images: int) -> bool:
        few_bad = binomial_cdf(bad - 1, images, expected.prevalence)
        few_good = binomial_cdf(good - 1, images, 1.0 - expected.prevalence)
        return few_bad + few_good <= 1.0 - ASSURANCE

    low, high = bad + good - 1, bad + good
    while not enough(high):
        low, high = high, 2 * high
        if high > 2 * MOST_IMAGES:
            break
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    if high > MOST_IMAGES:
        raise SettingsError(f"More than {MOST_IMAGES} images would be needed; expect less, or ask for less.")
    return high


def cases_needed(expected: float, least: float, power: float, confidence: float) -> int:
    """Cases until the lower limit of Clopper and Pearson lies above ``least`` with probability ``power``.

    The normal approximation gives 108 for .9 against .8 at 80 % power; the exact number is a little larger.

    >>> cases_needed(0.9, 0.8, 0.8, 0.95)
    113
    """
    delta = (1.0 - confidence) / 2.0
    run = failures = 0
    for cases in range(1, MOST_IMAGES + LOOK_AHEAD):
        # The largest number of failures that still shows it; it grows by at most one per case.
        while failures < cases and binomial_cdf(failures, cases, 1.0 - least) <= delta:
            failures += 1
        shown = binomial_cdf(failures - 1, cases, 1.0 - expected) if failures else 0.0
        run = run + 1 if shown >= power else 0
        if run == LOOK_AHEAD:
            return cases - LOOK_AHEAD + 1
    raise SettingsError(f"No number of cases up to {MOST_IMAGES} tells {expected} from {least}.")
