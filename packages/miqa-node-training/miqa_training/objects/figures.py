"""How well maps find what can be taken off, and point at objects and devices, source by source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F  # noqa: N812

from miqa_node.stages.assess.objects.network import smoothed
from miqa_training.objects.network import STRIDE, ObjectNet, evidence
from miqa_training.objects.variation import ObjectSet

TOLERANCE = 15.0 / 600.0
COMPACT = 0.16
FALSE_SHARE = 0.05
REMOVABLE, DEVICE, TUBE = 0, 1, 2


@torch.no_grad()
def maps_of(net: ObjectNet, pictures: ObjectSet, side_px: int, batch: int = 16) -> list[NDArray[np.float32]]:
    """The evidence (3, h, w) of each picture, in the middle of a black square as in use, cut to the picture."""
    results = []
    was_training = net.training
    net.eval()
    for start in range(0, len(pictures.pixels), batch):
        pixels = pictures.pixels[start : start + batch].float()[:, None] / 255.0
        content = pictures.content[start : start + batch]
        small = F.interpolate(pixels, (side_px, side_px), mode="bilinear", antialias=True, align_corners=False)
        values = evidence(net, small[:, 0]).float().cpu().numpy()
        for one, (width, height) in zip(values, content.tolist(), strict=True):
            cells = side_px // STRIDE
            results.append(one[:, : max(1, round(height * cells)), : max(1, round(width * cells))])
    net.train(was_training)
    return results


def object_figures(
    maps: Sequence[NDArray[np.float32]], scores: Sequence[NDArray[np.float64]], pictures: ObjectSet,
    sources: Sequence[str],
) -> dict[str, Any]:  # fmt: skip
    """Figures for each source and "all"; ``macro`` is the mean of the sources' pointing.

    ``scores`` are each image's logits of something removable, and of a device.
    """
    rows = [
        _row(one, pictures, number) | {"score": float(score[0]), "device_score": float(score[1])}
        for number, (one, score) in enumerate(zip(maps, scores, strict=True))
    ]
    figures: dict[str, Any] = {}
    for source in [*dict.fromkeys(sources), "all"]:
        figures[source] = _summary([r for r, s in zip(rows, sources, strict=True) if source in {s, "all"}])
    by_source = [figures[s]["pointing"] for s in dict.fromkeys(sources)]
    figures["all"]["pointing_macro"] = round(float(np.nanmean(by_source)), 3)
    return figures


def pointing_figures(
    maps: Sequence[NDArray[np.float32]],
    pictures: ObjectSet,
    sources: Sequence[str],
    likely: Sequence[int] | None = None,
) -> dict[str, Any]:
    """The Pointing Game alone, for maps (2, h, w) of any method and any range: of objects, and of devices.

    ``likely`` is the map to point with in each picture; without it the one with the higher peak.
    """
    rows = [
        _row(
            np.concatenate([one, np.zeros_like(one[:1])]), pictures, number, None if likely is None else likely[number]
        )
        for number, one in enumerate(maps)
    ]
    names = list(dict.fromkeys(sources))
    parts = {name: [r for r, s in zip(rows, sources, strict=True) if s == name] for name in names}
    figures = {name: _summary(part) for name, part in {**parts, "all": rows}.items()}
    selection = ("pointing", "exact", "compact", "compact_images", "worn_pointing")
    short = {name: {key: one[key] for key in selection} for name, one in figures.items()}
    for key in ("pointing", "exact"):
        short["all"][f"{key}_macro"] = round(float(np.nanmean([short[name][key] for name in names])), 3)
    return short


def separation(present: NDArray[np.float64], absent: NDArray[np.float64]) -> float:
    """Area under the ROC curve; NaN without one of the two."""
    if not len(present) or not len(absent):
        return float("nan")
    return float(((present[:, None] > absent) + 0.5 * (present[:, None] == absent)).mean())


def _row(maps: NDArray[np.float32], pictures: ObjectSet, number: int, choice: int | None = None) -> dict[str, Any]:
    kind, sure = pictures.kind[number].cpu().numpy(), pictures.sure[number].cpu().numpy()
    boxes = pictures.boxes[number].cpu().numpy()
    smooth = [smoothed(np.ascontiguousarray(one)) for one in maps[:2]]
    peaks = [np.unravel_index(int(one.argmax()), one.shape) for one in smooth]
    points = [((x + 0.5) / one.shape[1], (y + 0.5) / one.shape[0]) for (y, x), one in zip(peaks, smooth, strict=True)]
    drawn = boxes[(kind >= 0) & (kind < TUBE) & sure]
    worn = boxes[(kind == REMOVABLE) & sure]
    likely = int(smooth[1].max() > smooth[0].max()) if choice is None else choice
    return {
        "score": float("nan"), "device_score": float("nan"),
        "removable": len(worn) > 0, "doubtful": len(worn) == 0 and bool((kind == REMOVABLE).any()),
        "devices": bool((kind >= DEVICE).any()) or bool(pictures.somewhere[number].any()),
        "monitoring": bool((kind == DEVICE).any()) or bool(pictures.somewhere[number].any()),
        "hit": _hit(points[likely], drawn, TOLERANCE) if len(drawn) else None,
        "exact": _hit(points[likely], drawn, 0.0) if len(drawn) else None,
        "compact": bool(len(drawn)) and bool(np.all(drawn[:, 2:] - drawn[:, :2] <= COMPACT)),
        "worn_hit": _hit(points[REMOVABLE], worn, TOLERANCE) if len(worn) else None,
    }  # fmt: skip


def _hit(point: tuple[float, float], boxes: NDArray[np.float32], tolerance: float) -> bool:
    x, y = point
    return bool(
        ((boxes[:, 0] - tolerance <= x) & (x <= boxes[:, 2] + tolerance)
         & (boxes[:, 1] - tolerance <= y) & (y <= boxes[:, 3] + tolerance)).any()
    )  # fmt: skip


def _summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    def scores(selection: Any) -> NDArray[np.float64]:
        return np.array([r["score"] for r in rows if selection(r)], np.float64)

    present = scores(lambda r: r["removable"])
    absent = scores(lambda r: not r["removable"] and not r["doubtful"])
    devices = scores(lambda r: not r["removable"] and not r["doubtful"] and r["monitoring"])
    nothing = scores(lambda r: not r["removable"] and not r["doubtful"] and not r["devices"])
    limit = float(np.quantile(absent, 1 - FALSE_SHARE)) if len(absent) else float("nan")

    def mean(values: Sequence[float]) -> float:
        return round(float(np.mean(values)), 3) if len(values) else float("nan")

    return {
        "images": len(rows), "removable": len(present), "devices_only": len(devices), "nothing": len(nothing),
        "auroc": round(separation(present, absent), 3), "auroc_monitoring": round(separation(present, devices), 3),
        "auroc_nothing": round(separation(present, nothing), 3),
        "found_at_5": mean((present > limit).tolist()), "limit": round(limit, 4),
        "pointing": mean([r["hit"] for r in rows if r["hit"] is not None]),
        "exact": mean([r["exact"] for r in rows if r["exact"] is not None]),
        "compact": mean([r["hit"] for r in rows if r["hit"] is not None and r["compact"]]),
        "compact_images": sum(r["hit"] is not None and r["compact"] for r in rows),
        "worn_pointing": mean([r["worn_hit"] for r in rows if r["worn_hit"] is not None]),
        "device_auroc": round(separation(np.array([r["device_score"] for r in rows if r["devices"]]),
                                         np.array([r["device_score"] for r in rows if not r["devices"]])), 3),
    }  # fmt: skip
