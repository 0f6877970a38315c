"""Medical devices in view: monitoring leads, tubes and lines, and metal inside the patient. They are not a defect.

Prosthetic heads are as large as those of the humerus, 37 to 57 mm (Boileau and Walch, J Bone Joint Surg Br 79-B,
1997); the other lengths are usual product sizes.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_training.degrade.physics import DonorMaterial, Image, Simulator
from miqa_training.degrade.shapes import snap_at
from miqa_training.degrade.solids import MU_PER_MM, Canvas, SolidKind, curve, disc, line, put_round, with_solids

TITANIUM_PER_MM = 0.35
"""At 60 keV (NIST XCOM: 0.766 cm²/g times 4.5 g/cm³)."""


def devices(image: Image, severity: float, rng: np.random.Generator, pitch_mm: float, _: DonorMaterial) -> Image:
    """ECG electrodes with leads, tubes and lines, a prosthesis of a shoulder, a nail, or a pacemaker with its lead."""
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
    shown = head if rng.uniform() < 0.4 else half[:, ::-1].copy()  # the articular side faces the chest
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


def _ecg(canvas: Canvas, rng: np.random.Generator) -> None:
    """An electrode (gel pad of 25 to 45 mm, snap of 9 mm, connector) and its lead to the border of the image.

    The lead is a copper strand of 0.5 to 0.9 mm effective diameter; its insulation is hardly visible.
    """
    rows, columns = canvas.mu_t.shape
    x, y = canvas.place(rng)
    if rng.uniform() < 0.75:
        pad = disc(rng.uniform(12, 22) * canvas.size / canvas.pitch_mm, np.ones_like)
        put_round(canvas, (x, y), pad, MU_PER_MM["pmma"] * rng.uniform(0.8, 2.0))
    snap_at(canvas, (x, y), rng.uniform(4, 5.5), rng.uniform(0.25, 0.5))
    border = (np.array([-0.03, rng.uniform(0.0, 1.0)]), np.array([1.03, rng.uniform(0.0, 1.0)]),
              np.array([rng.uniform(0.1, 0.9), 1.03]), np.array([rng.uniform(0.1, 0.9), -0.03]))  # fmt: skip
    end = border[int(rng.choice(4, p=(0.3, 0.3, 0.25, 0.15)))] * (columns, rows)
    start = np.array([x, y])
    inner = [start + (end - start) * f + rng.normal(0, 0.09, 2) * (columns, rows) for f in (0.3, 0.65)]
    path = curve(np.array([start, *inner, end]))
    line(canvas, path, rng.uniform(0.5, 0.9), MU_PER_MM["copper"] * 0.7)
    line(canvas, path, rng.uniform(2.2, 3.5), MU_PER_MM["pmma"] * 1.3)
    line(canvas, path[:9], rng.uniform(2.5, 4.0) * canvas.size, MU_PER_MM["aluminium"] * 2.5)


def _tube(canvas: Canvas, rng: np.random.Generator) -> None:
    """A tube or line in the middle of the chest: 2 to 11 mm of polymer with a radiopaque stripe."""
    rows, columns = canvas.mu_t.shape
    middle = columns * (canvas.lungs.left + canvas.lungs.right) / 2
    entry = np.array([middle + rng.uniform(-0.08, 0.08) * columns, -0.03 * rows])
    if rng.uniform() < 0.35:  # a central line from below a collarbone
        entry = np.array([middle + float(rng.choice((-1, 1))) * rng.uniform(0.12, 0.3) * columns, 0.1 * rows])
    depth = float(rng.choice((rng.uniform(0.22, 0.35), rng.uniform(0.4, 0.6), rng.uniform(0.9, 1.05))))
    end = np.array([middle + rng.uniform(-0.04, 0.06) * columns, depth * rows])
    between = [entry + (end - entry) * f + rng.normal(0, 0.012, 2) * (columns, rows) for f in (0.35, 0.7)]
    path = curve(np.array([entry, *between, end]))
    outside = rng.uniform(2.0, 11.0)
    line(canvas, path, outside, MU_PER_MM["pmma"] * rng.uniform(0.6, 1.2))
    line(canvas, path, rng.uniform(0.5, 1.2), MU_PER_MM["copper"] * rng.uniform(0.3, 0.7))


KINDS: tuple[SolidKind, ...] = (
    SolidKind("prosthesis", _prosthesis, 1, 1.0),
    SolidKind("nail", _nail, 2, 0.8),
    SolidKind("pacemaker", _pacemaker, 1, 0.5),
    SolidKind("ecg", _ecg, 5, 4.0),
    SolidKind("tube", _tube, 2, 1.2),
)

DEVICE_IN_VIEW = Simulator(devices, order=12)
