"""How far two judges agree beyond chance: two readers, a reader and a model, or two models."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeVar

from .rates import CONFIDENCE

W = TypeVar("W", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Agreement:
    """``observed`` is the share of equal judgements, ``kappa`` the coefficient corrected for chance: Cohen's or Gwet's.

    None without judgements; kappa and its limits are None as well where both always say the same one thing.
    """

    judged: float
    observed: float | None
    kappa: float | None
    low: float | None
    high: float | None


def agreement(table: Mapping[tuple[W, W], float], confidence: float = CONFIDENCE) -> Agreement:
    """Agreement from counts by (first judge's word, second judge's word).

    Kappa: J. Cohen, Educ. Psychol. Meas. 20 (1960) 37–46. Its limits are those of the large-sample variance of
    J. L. Fleiss, J. Cohen, B. S. Everitt, Psychol. Bull. 72 (1969) 323–327, and mean little under about 50 judgements.

    >>> found = agreement({("bad", "bad"): 20, ("bad", "good"): 5, ("good", "bad"): 10, ("good", "good"): 15})
    >>> found.observed, round(found.kappa, 3)
    (0.7, 0.4)
    """
    total = float(sum(table.values()))
    if not total:
        return Agreement(0.0, None, None, None, None)
    words = sorted({word for pair in table for word in pair}, key=repr)
    share = {pair: count / total for pair, count in table.items()}
    first = {word: sum(share.get((word, other), 0.0) for other in words) for word in words}
    second = {word: sum(share.get((other, word), 0.0) for other in words) for word in words}
    observed = sum(share.get((word, word), 0.0) for word in words)
    chance = sum(first[word] * second[word] for word in words)
    if chance >= 1.0 - 1e-12:
        return Agreement(total, observed, None, None, None)
    kappa = (observed - chance) / (1.0 - chance)
    same = sum(
        share.get((word, word), 0.0) * (1.0 - (first[word] + second[word]) * (1.0 - kappa)) ** 2 for word in words
    )
    apart = sum(part * (second[a] + first[b]) ** 2 for (a, b), part in share.items() if a != b)
    variance = same + (1.0 - kappa) ** 2 * apart - (kappa - chance * (1.0 - kappa)) ** 2
    spread = NormalDist().inv_cdf(0.5 + confidence / 2.0) * math.sqrt(max(variance, 0.0) / total) / (1.0 - chance)
    return Agreement(total, observed, kappa, max(kappa - spread, -1.0), min(kappa + spread, 1.0))


def gwet_ac1(table: Mapping[tuple[W, W], float], confidence: float = CONFIDENCE) -> Agreement:
    """Agreement corrected for chance by Gwet's AC1 in place of kappa, which falls where one word is rare.

    K. L. Gwet, Br. J. Math. Stat. Psychol. 61 (2008) 29–48; the limits use its variance for two judges (equation 14).

    >>> found = gwet_ac1({("bad", "bad"): 1, ("bad", "good"): 2, ("good", "bad"): 2, ("good", "good"): 95})
    >>> found.observed, round(found.kappa, 3), round(agreement({("b", "b"): 1, ("b", "g"): 2, ("g", "b"): 2,
    ...     ("g", "g"): 95}).kappa, 3)
    (0.96, 0.958, 0.313)
    """
    total = float(sum(table.values()))
    if not total:
        return Agreement(0.0, None, None, None, None)
    words = sorted({word for pair in table for word in pair}, key=repr)
    share = {pair: count / total for pair, count in table.items()}
    observed = sum(share.get((word, word), 0.0) for word in words)
    if len(words) < 2:
        return Agreement(total, observed, None, None, None)
    prevalence = {
        word: sum(part * ((a == word) + (b == word)) / 2.0 for (a, b), part in share.items()) for word in words
    }
    scale = 1.0 / (len(words) - 1)
    chance = scale * sum(part * (1.0 - part) for part in prevalence.values())
    coefficient = (observed - chance) / (1.0 - chance)
    same = scale * sum(share.get((word, word), 0.0) * (1.0 - prevalence[word]) for word in words)
    pairs = scale**2 * sum(part * (1.0 - (prevalence[a] + prevalence[b]) / 2.0) ** 2 for (a, b), part in share.items())
    variance = (
        observed * (1.0 - observed)
        - 4.0 * (1.0 - coefficient) * (same - observed * chance)
        + 4.0 * (1.0 - coefficient) ** 2 * (pairs - chance**2)
    )
    spread = NormalDist().inv_cdf(0.5 + confidence / 2.0) * math.sqrt(max(variance, 0.0) / total) / (1.0 - chance)
    return Agreement(total, observed, coefficient, max(coefficient - spread, -1.0), min(coefficient + spread, 1.0))
