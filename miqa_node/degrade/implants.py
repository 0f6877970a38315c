"""Foreign objects of the family "implants": metal inside the patient, of which public chest radiographs show little.

Only training draws them. Heads of prostheses are as large as those of the humerus, 37 to 57 mm (Boileau and Walch,
J Bone Joint Surg Br 79-B, 1997); the other lengths are usual ones of the products.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.degrade.physics import DonorMaterial, Image
from miqa_node.degrade.solids import MU_PER_MM, Canvas, SolidKind, curve, disc, line, put_round, with_solids

TITANIUM_PER_MM = 0.35
"""At 60 keV (NIST XCOM: 0.766 cm²/g times 4.5 g/cm³)."""


def implants(image: Image, severity: float, rng: np.random.Generator, pitch_mm: float, _: DonorMaterial) -> Image:
    """A prosthesis of the shoulder, a nail in the humerus, or a pacemaker with its lead."""
    return with_solids(image, severity, rng, pitch_mm, KINDS)


def _shoulder(canvas: Canvas, rng: np.random.Generator) -> tuple[NDArray[np.float64], float]:
    """Centre of a humeral head in canvas pixels, above and beside the lung, and the side: -1 left, 1 right."""
    rows, columns = canvas.mu_t.shape
    side = float(rng.choice((-1.0, 1.0)))
    edge = canvas.lungs.left if side < 0 else canvas.lungs.right
    out = rng.uniform(0.0, 0.12)
    x = float(np.clip(edge + side * out, 0.02, 0.98)) * columns
    y = (canvas.lungs.top + rng.uniform(-0.06, 0.14)) * rows
    return np.array([x, y]), side


def _down_the_arm(canvas: Canvas, rng: np.random.Generator, side: float, length_mm: float) -> NDArray[np.float64]:
    """The vector of a shaft: down, and away from the chest by up to 35 degrees."""
    angle = rng.uniform(0.0, 0.6)
    return np.array([side * math.sin(angle), math.cos(angle)]) * length_mm / canvas.pitch_mm


def _prosthesis(canvas: Canvas, rng: np.random.Generator) -> None:
    """Head and stem of cobalt-chromium (as iron) or titanium; the stem tapers."""
    centre, side = _shoulder(canvas, rng)
    radius = rng.uniform(19, 27) / canvas.pitch_mm
    mu = float(rng.choice((MU_PER_MM["iron"], TITANIUM_PER_MM)))
    head = disc(radius, lambda r: np.sqrt(np.clip(1.0 - r * r, 0.0, 1.0)) * 0.8 + 0.2)
    half = head.copy()
    half[:, : half.shape[1] // 2] = half[:, : half.shape[1] // 2] * (side < 0)
    half[:, half.shape[1] // 2 :] = half[:, half.shape[1] // 2 :] * (side > 0)
    shown = head if rng.uniform() < 0.4 else half[:, ::-1].copy()  # the joint's side of a hemisphere faces the chest
    put_round(canvas, (float(centre[0]), float(centre[1])), shown, mu * rng.uniform(8.0, 16.0))
    shaft = _down_the_arm(canvas, rng, side, rng.uniform(70, 130))
    top, bottom = rng.uniform(11, 16), rng.uniform(6, 10)
    for share in np.linspace(0.0, 1.0, 5)[:-1]:
        ends = np.stack([centre + shaft * share, centre + shaft * (share + 0.27)])
        line(canvas, ends, top + (bottom - top) * float(share), mu * 0.5)


def _nail(canvas: Canvas, rng: np.random.Generator) -> None:
    """A nail or rod in the shaft of the humerus, with screws across its upper end."""
    head, side = _shoulder(canvas, rng)
    shaft = _down_the_arm(canvas, rng, side, rng.uniform(150, 300))
    width = rng.uniform(7, 10)
    line(canvas, np.stack([head, head + shaft]), width, TITANIUM_PER_MM)
    across = np.array([shaft[1], -shaft[0]]) / np.hypot(*shaft) * rng.uniform(18, 34) / canvas.pitch_mm
    for share in rng.uniform(0.03, 0.25, int(rng.integers(0, 4))):
        middle = head + shaft * share
        line(canvas, np.stack([middle - across / 2, middle + across / 2]), rng.uniform(3.5, 5.0), TITANIUM_PER_MM)


def _pacemaker(canvas: Canvas, rng: np.random.Generator) -> None:
    """A flat case of 40 to 60 mm below a collarbone and a lead of 1 to 2 mm to the heart."""
    rows, columns = canvas.mu_t.shape
    side = 1.0 if rng.uniform() < 0.8 else -1.0
    edge = canvas.lungs.right if side > 0 else canvas.lungs.left
    x = (edge - side * rng.uniform(0.02, 0.14)) * columns
    y = (canvas.lungs.top + rng.uniform(0.06, 0.2)) * rows
    width, height = (rng.uniform(*span) / canvas.pitch_mm for span in ((40, 58), (36, 50)))
    mask = np.zeros((math.ceil(height) + 2, math.ceil(width) + 2), np.uint8)
    centre = (mask.shape[1] // 2, mask.shape[0] // 2)
    cv2.ellipse(mask, centre, (int(width / 2), int(height / 2)), rng.uniform(-25, 25), 0, 360, 150, -1, cv2.LINE_AA)
    inner = (int(width * 0.3), int(height * 0.25))
    cv2.ellipse(mask, (centre[0], centre[1] + inner[1] // 2), inner, 0, 0, 360, 255, -1, cv2.LINE_AA)
    canvas.add(mask, round(y) - centre[1], round(x) - centre[0], TITANIUM_PER_MM * rng.uniform(5.0, 9.0))
    middle = columns * (canvas.lungs.left + canvas.lungs.right) / 2
    heart = np.array([middle + rng.uniform(0.0, 0.1) * columns, rows * rng.uniform(0.62, 0.75)])
    vein = np.array([middle - rng.uniform(0.02, 0.06) * columns, (canvas.lungs.top + rng.uniform(0.05, 0.15)) * rows])
    start = np.array([x, y - height / 2])
    path = curve(np.array([start, vein, (vein + heart) / 2 + (-0.03 * columns, 0.0), heart]))
    line(canvas, path, rng.uniform(1.2, 2.2), MU_PER_MM["copper"] * 0.5)


KINDS: tuple[SolidKind, ...] = (
    SolidKind("prosthesis", _prosthesis, 1, 1.0),
    SolidKind("nail", _nail, 2, 0.8),
    SolidKind("pacemaker", _pacemaker, 1, 0.5),
)
