"""Fits the rules of rotation and cut lungs to readers' grades."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from miqa_node.stages.assess.landmarks.estimate import LandmarkEstimate
from miqa_node.stages.assess.landmarks.points import SIDES
from miqa_node.stages.assess.landmarks.reader_rule import (
    CUT_MEASURES,
    ROTATION_MEASURES,
    ReaderRule,
    cut_measures,
    rotation_measures,
)

Array = NDArray[np.float64]
SEEN_WEIGHT = 0.3
"""Weight of an image that the networks were fitted on: their answers there are better than elsewhere."""
GRADE_WEIGHT = 0.5
"""Weight of an image whose reader only graded that anatomy is cut off, without naming the side."""
PENALTY = 1.0
"""Of the squares of standardised weights; a third or three times as much gives the same separation to .01."""


@dataclass(frozen=True, slots=True)
class GradedImage:
    """One image with what readers said of it; None where nobody did.

    ``seen``: the networks were fitted on its patient's points. ``clipped``: the worst grade of anatomy that is cut off.
    ``turned``: the worst grade of rotation that any reader gave, also one who did not look for points.
    """

    estimate: LandmarkEstimate
    source: str
    seen: bool
    rotated: bool | None = None
    cut: frozenset[str] | None = None
    clipped: int | None = None
    turned: int | None = None
    patient: str = ""

    @property
    def weight(self) -> float:
        """Its weight in a fit."""
        return SEEN_WEIGHT if self.seen else 1.0


def fit_rotation(images: Sequence[GradedImage]) -> ReaderRule:
    """The rule for rotation from the images whose readers graded it."""
    images = [one for one in images if one.rotated is not None]
    values = np.array([list(rotation_measures(one.estimate).values()) for one in images])
    middle, spread = values.mean(0), values.std(0) + 1e-9
    fit = LogisticRegression(C=0.5 / PENALTY, max_iter=1000).fit(
        (values - middle) / spread, [one.rotated for one in images], sample_weight=[one.weight for one in images]
    )
    return _rule(ROTATION_MEASURES, np.array([fit.intercept_[0], *fit.coef_[0]]), middle, spread)


def fit_cuts(images: Sequence[GradedImage]) -> ReaderRule:
    """One rule for all sides, from cut sides and from images of which only the worst of all sides was graded.

    Of the latter, at least one side is cut: the probability of that is 1 − Π (1 − p).
    """
    drawn = [one for one in images if one.cut is not None]
    graded = [one for one in images if one.cut is None and one.clipped is not None]
    values, more = _cut_values(drawn), _cut_values(graded)
    middle, spread = values.mean(0), values.std(0) + 1e-9
    truth = np.array([side in (one.cut or ()) for one in drawn for side in SIDES], np.float64)
    weight = np.repeat([one.weight for one in drawn], len(SIDES))
    clipped = np.array([bool(one.clipped) for one in graded], np.float64)
    graded_weight = GRADE_WEIGHT * np.array([one.weight for one in graded])
    values, more = (values - middle) / spread, (more - middle) / spread

    def loss(rule: Array) -> float:
        logits = values @ rule[1:] + rule[0]
        of_sides = weight * (np.logaddexp(0.0, logits) - truth * logits)
        whole = -np.logaddexp(0.0, more @ rule[1:] + rule[0]).reshape(-1, len(SIDES)).sum(1)
        some = np.log(np.maximum(-np.expm1(whole), 1e-9))
        of_images = graded_weight * -(clipped * some + (1.0 - clipped) * whole)
        return float(of_sides.sum() + of_images.sum() + PENALTY * (rule[1:] ** 2).sum())

    fit = minimize(loss, np.zeros(1 + len(CUT_MEASURES)), method="L-BFGS-B")
    return _rule(CUT_MEASURES, fit.x, middle, spread)


def cut_chances(rule: ReaderRule, images: Sequence[GradedImage]) -> Array:
    """Probabilities (N, 4) of cut sides, in the order of SIDES."""
    rows = [[rule.probability(cut_measures(one.estimate, side)) for side in SIDES] for one in images]
    return np.array(rows, np.float64).reshape(-1, len(SIDES))


def rotation_chances(rule: ReaderRule, images: Sequence[GradedImage]) -> Array:
    """Probabilities (N,) of rotation."""
    return np.array([rule.probability(rotation_measures(one.estimate)) for one in images], np.float64)


def _cut_values(images: Sequence[GradedImage]) -> Array:
    rows = [list(cut_measures(one.estimate, side).values()) for one in images for side in SIDES]
    return np.array(rows, np.float64).reshape(-1, len(CUT_MEASURES))


def _rule(names: Sequence[str], fit: Array, middle: Array, spread: Array) -> ReaderRule:
    """The rule for measures as they are, from one for standardised measures."""
    weights = fit[1:] / spread
    bias = float(fit[0] - weights @ middle)
    return ReaderRule(
        bias=round(bias, 4), weights={name: round(float(w), 4) for name, w in zip(names, weights, strict=True)}
    )
