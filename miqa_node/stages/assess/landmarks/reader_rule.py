"""The probability that readers would call a patient rotated, or a lung cut off: a logistic rule over a few measures.

A network's own probability is right on images like those it learned from. Whether people would agree on others depends
also on what can be seen of the clavicles, and on how evenly the rest of the chest lies about the spine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from pydantic import AfterValidator

from miqa_node.libraries.plain_statistics.platt import expit, logit
from miqa_node.stages.assess.landmarks.estimate import LandmarkEstimate
from miqa_node.stages.assess.landmarks.points import CLOSE_UP_INDEX, NUMBER, SIDES
from miqa_node.stages.assess.landmarks.positioning import lung_margins
from miqa_node.stages.assess.section import Section

ROTATION_MEASURES = ("rotation", "grade", "clavicles_visible", "spine_aside", "apices_uneven")
CUT_MEASURES = ("chance", "distance", "visible", "top", "bottom")
FURTHEST = 0.1
"""Distance of a lung to a side, as a share of the image, beyond which more says nothing."""
LEAST_CHANCE = 1e-4
EDGE_POINTS = {"left": ("lat_l",), "right": ("lat_r",), "top": ("apex_l", "apex_r"), "bottom": ("cpa_l", "cpa_r")}
"""Points that show whether the lungs end inside the image, by side of the image."""


def _known(weights: dict[str, float]) -> dict[str, float]:
    if unknown := set(weights) - {*ROTATION_MEASURES, *CUT_MEASURES}:
        raise ValueError(f"no measure is called {', '.join(sorted(unknown))}; update the node")
    return weights


class ReaderRule(Section):
    """Probability = 1 / (1 + exp(−(bias + Σ weight · measure)))."""

    bias: float
    weights: Annotated[dict[str, float], AfterValidator(_known)]

    def probability(self, measures: Mapping[str, float]) -> float:
        """The probability for measures of an image."""
        return float(expit(self.bias + sum(weight * measures[name] for name, weight in self.weights.items())))


def rotation_measures(estimate: LandmarkEstimate) -> dict[str, float]:
    """The ROTATION_MEASURES of an image.

    ``rotation`` is its size, a share; ``grade`` the log odds of the network's own probability; ``clavicles_visible``
    the probability that a reader could mark both ends and the spine between; ``spine_aside`` the distance of the spine
    from the middle of the rib cage, ``apices_uneven`` the difference of the apices' distances from the spine, both as
    shares of the rib cage's width.
    """
    x = dict(zip(NUMBER, estimate.points[:, 0].tolist(), strict=True))
    width = max(x["lat_r"] - x["lat_l"], 0.1)
    return {
        "rotation": abs(estimate.rotation),
        "grade": _log_odds(float(estimate.grade[0])),
        "clavicles_visible": float(estimate.visible[CLOSE_UP_INDEX].min()),
        "spine_aside": abs(x["spine_clav"] - 0.5 * (x["lat_l"] + x["lat_r"])) / width,
        "apices_uneven": abs(x["apex_l"] + x["apex_r"] - 2.0 * x["spine_clav"]) / width,
    }


def cut_measures(estimate: LandmarkEstimate, side: str) -> dict[str, float]:
    """The CUT_MEASURES of one side of the image.

    ``chance`` is the log odds of the network's own probability, ``distance`` that of the lungs' outermost point to the
    side as a share of the image, ``visible`` the log odds that a reader could mark the points there; ``top`` and
    ``bottom`` are 1 for that side.
    """
    index = SIDES.index(side)
    distance = float(np.nan_to_num(lung_margins(estimate.points)[index]))
    visible = min(float(estimate.visible[NUMBER[name]]) for name in EDGE_POINTS[side])
    return {
        "chance": _log_odds(float(estimate.cut[index])),
        "distance": min(max(distance, -FURTHEST), FURTHEST),
        "visible": _log_odds(visible),
        "top": float(side == "top"),
        "bottom": float(side == "bottom"),
    }


def _log_odds(chance: float) -> float:
    return logit(min(max(chance, LEAST_CHANCE), 1.0 - LEAST_CHANCE))
