"""Draws the figures of a report as inline SVG that follows the reader's light or dark colours."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK = "#010203"
"""Stands for the page's text colour; replaced by currentColor in the SVG."""
LINE, BAND, SECOND = "#2a78c6", "#2a78c6", "#d9603b"
COLUMNS = 4
SETTINGS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "report",
    "font.size": 8,
    "font.family": "sans-serif",
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
}

Findings = Mapping[str, Mapping[str, Any]]


def roc_panels(findings: Findings) -> str:
    """A ROC curve with its confidence band for each finding."""

    def draw(axes: Axes, row: Mapping[str, Any]) -> None:
        at = np.linspace(0, 1, len(row["roc"]))
        axes.plot([0, 1], [0, 1], color=INK, alpha=0.35, linewidth=0.7, linestyle=":")
        _band(axes, at, row["roc_band"])
        axes.plot(at, row["roc"], color=LINE)
        _note(axes, f"AUROC {row['auroc']:.3f}", "lower right")

    return _panels(findings, draw, "1 − specificity", "sensitivity")


def precision_panels(findings: Findings) -> str:
    """A precision-recall curve with its confidence band for each finding; dotted: random guessing."""

    def draw(axes: Axes, row: Mapping[str, Any]) -> None:
        at = np.linspace(0, 1, len(row["precision"]))
        axes.axhline(row["prevalence"], color=INK, alpha=0.35, linewidth=0.7, linestyle=":")
        _band(axes, at, row["precision_band"])
        axes.plot(at, row["precision"], color=LINE)
        _note(axes, f"AP {row['average_precision']:.3f}", "lower left")

    return _panels(findings, draw, "recall", "precision")


def severity_panels(findings: Findings) -> str:
    """AUROC by severity with intervals for each finding."""

    def draw(axes: Axes, row: Mapping[str, Any]) -> None:
        levels = {float(level): one for level, one in row["by_severity"].items() if one["auroc"] is not None}
        at, values = list(levels), [one["auroc"] for one in levels.values()]
        axes.axhline(0.5, color=INK, alpha=0.35, linewidth=0.7, linestyle=":")
        axes.plot(at, values, color=LINE, marker="o", markersize=3)
        for level, one in levels.items():
            if one["interval"] is not None:
                axes.plot([level, level], one["interval"], color=LINE, alpha=0.5)
        axes.set_xlim(0.15, 1.1)
        axes.set_ylim(_lowest(0.35, values), 1.03)

    return _panels(findings, draw, "severity", "AUROC", square=False)


def reliability_panels(findings: Findings) -> str:
    """Observed against stated share for each finding; the area of a dot is the number of images."""

    def draw(axes: Axes, row: Mapping[str, Any]) -> None:
        bins = np.array(row["reliability"]["bins"], float).reshape(-1, 3)
        axes.plot([0, 1], [0, 1], color=INK, alpha=0.35, linewidth=0.7, linestyle=":")
        axes.plot(bins[:, 0], bins[:, 1], color=LINE, linewidth=0.8)
        axes.scatter(bins[:, 0], bins[:, 1], s=6 + 90 * bins[:, 2] / bins[:, 2].sum(), color=LINE, alpha=0.7)
        _note(axes, f"ECE {row['reliability']['expected_calibration_error']:.3f}", "upper left")

    return _panels(findings, draw, "stated probability", "observed share")


def confusion_matrix(table: Mapping[str, Any]) -> str:
    """Rows: truth; columns: prediction; colour shows the share of the row, figures show counts."""
    counts = np.array(table["counts"], float)
    names = [n.replace("_", " ") for n in table["names"]]
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(7.4, 6.2), layout="constrained")
        axes = figure.add_subplot()
        axes.imshow(share, cmap="Blues", vmin=0, vmax=1, alpha=0.85)
        axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
        axes.set_yticks(range(len(names)), names)
        axes.set_xlabel("said")
        axes.set_ylabel("there")
        for (i, j), value in np.ndenumerate(counts):
            if value:
                axes.text(j, i, f"{value:.0f}", ha="center", va="center", fontsize=7,
                          color="white" if share[i, j] > 0.55 else "#123a63")  # fmt: skip
        return _svg(figure, "confusion matrix")


def comparison_bars(rows: Sequence[Mapping[str, Any]]) -> str:
    """AUROC by finding, with all packages or models side by side."""
    names = list(rows[0]["findings"])
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(9.2, 3.4), layout="constrained")
        axes = figure.add_subplot()
        width = 0.8 / len(rows)
        colours = mpl.colormaps["tab10"]
        for number, row in enumerate(rows):
            values = [np.nan if (value := row["findings"].get(name)) is None else value for name in names]
            at = np.arange(len(names)) + (number - (len(rows) - 1) / 2) * width
            label = f"{row['package']} (mean {row['mean_auroc']:.3f})"
            axes.bar(at, values, width * 0.92, color=colours(number % 10), label=label)
        axes.set_ylim(_lowest(0.4, [value for row in rows for value in row["findings"].values()]), 1.0)
        axes.set_xticks(range(len(names)), [n.replace("_", "\n") for n in names], fontsize=6.5)
        axes.set_ylabel("AUROC")
        axes.legend(frameon=False, fontsize=7, ncols=3, loc="upper center", bbox_to_anchor=(0.5, 1.2))
        return _svg(figure, "comparison")


def roc_of_models(models: Mapping[str, Mapping[str, Sequence[float]]], first_colour: int = 0) -> str:
    """For each finding the ROC curves of several models in one panel; ``models``: name, finding, curve."""
    colours = mpl.colormaps["tab10"]

    def draw(axes: Axes, row: Mapping[str, Any]) -> None:
        axes.plot([0, 1], [0, 1], color=INK, alpha=0.35, linewidth=0.7, linestyle=":")
        for number, (name, curve) in enumerate(row.items()):
            axes.plot(
                np.linspace(0, 1, len(curve)), curve, color=colours(first_colour + number), linewidth=1, label=name
            )
        if row is first:
            axes.legend(frameon=False, fontsize=6, loc="lower right")

    findings = {name: {model: curves[name] for model, curves in models.items()} for name in next(iter(models.values()))}
    first = next(iter(findings.values()))
    return _panels(findings, draw, "1 − specificity", "sensitivity")


def heat(values: Any, rows: Sequence[str], columns: Sequence[str], label: str) -> str:
    """A heat map of non-negative numbers, e.g. how far a measurement can move a finding."""
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(9.2, 0.3 * len(rows) + 1.4), layout="constrained")
        axes = figure.add_subplot()
        highest = float(np.max(values))
        axes.imshow(values, cmap="Blues", vmin=0, vmax=highest, aspect="auto", alpha=0.85)
        axes.set_xticks(range(len(columns)), [c.replace("_", " ") for c in columns], rotation=40, ha="right")
        axes.set_yticks(range(len(rows)), [r.replace("_", " ") for r in rows])
        for (i, j), value in np.ndenumerate(values):
            ink = "white" if value > 0.55 * highest else "#123a63"
            axes.text(j, i, f"{value:.1f}", ha="center", va="center", fontsize=7, color=ink)
        return _svg(figure, label)


def _lowest(usual: float, values: Sequence[float | None]) -> float:
    """Lower end of an axis: ``usual``, or the tenth below the smallest value, whose bar would not be seen."""
    return min([usual, *(math.floor(10.0 * value - 0.5) / 10.0 for value in values if value is not None)])


def _panels(
    findings: Findings, draw: Callable[[Axes, Mapping[str, Any]], None], x: str, y: str,
    *, square: bool = True,
) -> str:  # fmt: skip
    rows = -(-len(findings) // COLUMNS)
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(9.2, (2.35 if square else 1.9) * rows), layout="constrained")
        for number, (name, row) in enumerate(findings.items()):
            axes = figure.add_subplot(rows, COLUMNS, number + 1)
            axes.set_title(name.replace("_", " "), loc="left")
            axes.set_xlim(0, 1)
            axes.set_ylim(0, 1.02)
            draw(axes, row)
            if number >= len(findings) - COLUMNS:
                axes.set_xlabel(x)
            if number % COLUMNS == 0:
                axes.set_ylabel(y)
        return _svg(figure, f"{y} against {x}")


def _band(axes: Axes, at: Any, band: Sequence[Sequence[float]]) -> None:
    if band:
        axes.fill_between(at, band[0], band[1], color=BAND, alpha=0.2, linewidth=0)


def _note(axes: Axes, text: str, where: str) -> None:
    vertical, horizontal = where.split()
    axes.text(
        0.97 if horizontal == "right" else 0.03, 0.06 if vertical == "lower" else 0.94, text,
        transform=axes.transAxes, ha=horizontal, va="bottom" if vertical == "lower" else "top",
    )  # fmt: skip


def _svg(figure: Figure, label: str) -> str:
    """The figure as an inline SVG element: no prologue, unique ids, lines in the page's text colour."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    own = re.sub(r"\W+", "-", label)
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{own}-", text)
    text = re.sub(r'(<svg [^>]*?)width="[^"]*" height="[^"]*"', rf'\1role="img" aria-label="{label}"', text, count=1)
    text = re.sub(r'height="[0-9.]+pt" ', "", re.sub(r'width="[0-9.]+pt" ', "", text, count=1), count=1)
    return text.replace(INK, "currentColor")
