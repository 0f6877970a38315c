"""Grid, detector and overlay of any radiograph, in torch."""

from __future__ import annotations

import math

import torch

from miqa_training.any_part.pictures import (
    display,
    exposure,
)
from miqa_training.any_part.shot import Result, Shot
from miqa_training.degrade.physics import at_severity


def grid_lines(shot: Shot, severity: float) -> Result:
    """Lines of a grid that beat with the pixels: harmonics, a second beat, in exposure; sometimes crossed."""
    amplitude = at_severity(severity, (0.006, 0.012, 0.025, 0.055)) * shot.uniform(0.8, 1.3)
    rows, columns = shot.image.shape
    y = torch.arange(rows, device=shot.image.device)[:, None]
    x = torch.arange(columns, device=shot.image.device)[None]
    total, turns = torch.zeros_like(shot.image), [0.0, 90.0] if shot.uniform() < 0.15 else [90.0 * shot.rng.integers(2)]
    for turn in turns:
        angle = math.radians(turn + shot.uniform(-2.0, 2.0))
        along = x * math.cos(angle) + y * math.sin(angle)
        frequency = shot.uniform(0.03, 0.49)
        phase = 2 * math.pi * (frequency * along + shot.uniform())
        if shot.uniform() < 0.3:  # a grid that is not quite regular
            phase = phase + shot.uniform(0.5, 3.0) * torch.sin(2 * math.pi * along * shot.uniform(0.5, 3.0) / columns)
        wave = torch.sin(phase)
        if shot.uniform() < 0.4:
            wave = wave + shot.uniform(0.1, 0.5) * torch.sin(2 * phase + shot.uniform(0, 6.28))
        if shot.uniform() < 0.3:
            wave = wave * (0.6 + 0.4 * torch.sin(2 * math.pi * along * shot.uniform(1.0, 12.0) / columns))
        total = total + wave / len(turns)
    light = exposure(shot.image)
    lined = display(light * (1.0 - total * amplitude * 4.6).clamp(0.2, 1.8))
    edge = (shot.image * 12.0).clamp(max=1.0)
    return shot.image + edge * (lined - shot.image), True


def grid_cut(shot: Shot, severity: float) -> Result:
    """Primary radiation lost by a focused grid: decentred, at the wrong distance, tilted, or upside down."""
    loss = at_severity(severity, (0.15, 0.3, 0.5, 0.75))
    y, x = shot.coordinates()
    across = x if shot.uniform() < 0.7 else y
    kind = int(shot.rng.integers(4))
    if kind == 0:
        lost = loss * (across if shot.uniform() < 0.5 else 1.0 - across)
    elif kind == 1:
        centre = shot.uniform(0.4, 0.6)
        lost = loss * ((across - centre).abs() / max(centre, 1 - centre)) ** shot.uniform(0.8, 2.0)
    elif kind == 2:
        lost = loss * ((across - shot.uniform(0.4, 0.6)).abs() * 2.5 - shot.uniform(0.2, 0.5)).clamp(0.0, 1.0)
    else:
        at = shot.uniform(0.3, 0.7)
        side = (across - at if shot.uniform() < 0.5 else at - across).clamp_min(0.0)
        lost = loss * (side / max(at, 1 - at)) ** shot.uniform(0.6, 1.5)
    light = exposure(shot.image) * (1.0 - lost.clamp(max=0.93))
    noise = light.clamp_min(1e-3).rsqrt() * 0.002 * shot.uniform(0.0, 1.5) * shot.normal()
    return (display(light) + noise * (lost > 0.1)).clamp(0.0, 1.0), severity > 0.2


def detector_lines(shot: Shot, severity: float) -> Result:
    """Rows or columns that are dead, stuck, copied from the neighbour, or of another gain; also in bands."""
    image, amplitude = shot.image.clone(), at_severity(severity, (0.12, 0.3, 0.6, 1.0))
    work = image.T if shot.uniform() < 0.6 else image
    for _ in range(1 + int(shot.rng.integers(0, 1 + round(6 * severity)))):
        width = int(shot.rng.integers(1, 4)) if shot.uniform() < 0.75 else int(shot.rng.integers(4, 40))
        at = int(shot.rng.integers(4, max(5, work.shape[0] - width - 4)))
        start = 0 if shot.uniform() < 0.7 else int(shot.rng.integers(work.shape[1]))
        stop = work.shape[1] if shot.uniform() < 0.7 else start + int(shot.rng.integers(20, work.shape[1] + 20))
        part, kind = work[at : at + width, start:stop], int(shot.rng.integers(4))
        if kind < 2:
            part += amplitude * (float(kind) - part)
        elif kind == 2:
            part += float(shot.rng.choice((-1.0, 1.0))) * 0.22 * amplitude
        else:
            part += amplitude * (work[at - 1 : at, start:stop] - part)
    return image.clamp(0.0, 1.0), True


def detector_block(shot: Shot, severity: float) -> Result:
    """A module of another gain, missing rows, or a field that was read out twice."""
    image, (rows, columns) = shot.image.clone(), shot.image.shape
    height, width = int(shot.uniform(0.06, 0.5) * rows), int(shot.uniform(0.06, 0.5) * columns)
    top, left = int(shot.rng.integers(rows - height)), int(shot.rng.integers(columns - width))
    part = image[top : top + height, left : left + width]
    kind, amplitude = int(shot.rng.integers(3)), at_severity(severity, (0.04, 0.09, 0.18, 0.3))
    if kind == 0:
        part += float(shot.rng.choice((-1.0, 1.0))) * amplitude
    elif kind == 1:
        part *= 1.0 - 2.2 * amplitude
    else:
        source = shot.image[:height, :width] if top > rows // 4 else shot.image[-height:, -width:]
        part += min(1.0, 3.0 * amplitude) * (source - part)
    return image.clamp(0.0, 1.0), True


def detector_marks(shot: Shot, severity: float) -> Result:
    """Scratches, dust, bad pixels in clusters, marks of rollers, words over the anatomy."""
    kind = str(shot.rng.choice(("scratch", "cluster", "words", "roller", "letter"), p=(0.28, 0.24, 0.24, 0.12, 0.12)))
    long_px = (
        max(shot.image.shape) * {"words": 0.12, "letter": 0.05, "roller": 0.5, "scratch": 0.6, "cluster": 0.35}[kind]
    )
    long_px = max(long_px * (0.5 + severity) * shot.uniform(0.6, 1.4), 14.0)
    inside = (0.2, 0.65) if kind in {"words", "letter"} else (0.0, 0.45)
    mask = shot.masks.placed(kind, (shot.image.shape[0], shot.image.shape[1]), shot.uniform(*inside),
                             shot.uniform(*inside), long_px, shot.rng)  # fmt: skip
    amplitude = at_severity(severity, (0.2, 0.4, 0.7, 1.0))
    target = 1.0 if shot.uniform() < 0.75 else 0.0
    if kind in {"roller", "scratch"}:
        amplitude *= 0.6
    return shot.image + mask * amplitude * (target - shot.image), True


def detector_ghost(shot: Shot, severity: float) -> Result:
    """What the exposure before left behind: another picture, or the edge of its field."""
    rows, columns = shot.image.shape
    strength = at_severity(severity, (0.012, 0.025, 0.045, 0.08))
    if shot.uniform() < 0.5:
        before = torch.nn.functional.interpolate(
            shot.other[None, None], (rows, columns), mode="bilinear", align_corners=False, antialias=True
        )[0, 0]
    else:
        y, x = shot.coordinates()
        inside = torch.sigmoid((x - shot.uniform(0.05, 0.45)) * 300) * torch.sigmoid(
            (shot.uniform(0.55, 0.95) - x) * 300
        )
        inside = inside * torch.sigmoid((y - shot.uniform(0.05, 0.45)) * 300)
        before = inside * torch.sigmoid((shot.uniform(0.55, 0.95) - y) * 300)
    sign = 1.0 if shot.uniform() < 0.5 else -1.0
    return (shot.image + sign * 1.5 * strength * (before - before.mean())).clamp(0.0, 1.0), severity > 0.3


def detector_stitch(shot: Shot, severity: float) -> Result:
    """Two parts that do not fit: moved along the seam, doubled or missing across it, another brightness."""
    upright = shot.uniform() < 0.5
    work = shot.image.T.clone() if upright else shot.image.clone()
    seam = int(shot.uniform(0.25, 0.75) * work.shape[0])
    shift = max(1, round(at_severity(severity, (0.8, 1.8, 3.5, 7.0)) / shot.pitch_mm))
    kind = int(shot.rng.integers(3))
    if kind == 0:
        work[seam:] = torch.roll(work[seam:], shift * int(shot.rng.choice((-1, 1))), 1)
    else:
        rows = torch.arange(work.shape[0] - seam, device=work.device) + seam + (-2 * shift if kind == 1 else 2 * shift)
        work[seam:] = work[rows.clamp(0, work.shape[0] - 1)].clone()
    work[seam:] += shot.uniform(-0.05, 0.05) * severity
    return (work.T if upright else work).contiguous().clamp(0.0, 1.0), shift >= 2
