"""Writes the report: one self-contained HTML file for light and dark display."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

from miqa_training.report import figures as drawn
from miqa_training.report.gallery import GalleryError

TEMPLATE = "page.html"


def write_page(path: Path, figures: dict[str, Any], errors: Sequence[GalleryError]) -> None:
    """Write the page with the figures of :func:`.evaluation.evaluate_package` and the worst errors."""
    findings = figures["findings"]
    pictures = {
        "roc": drawn.roc_panels(findings),
        "precision": drawn.precision_panels(findings),
        "severity": drawn.severity_panels(findings) if figures["simulated"] else "",
        "reliability": drawn.reliability_panels(findings),
        "confusion": drawn.confusion_matrix(figures["confusion"]),
        "comparison": drawn.comparison_bars(figures["comparison"]) if len(figures["comparison"]) > 1 else "",
    }
    groups = {name: [e for e in errors if e.finding == name] for name in dict.fromkeys(e.finding for e in errors)}
    text = render(TEMPLATE, **figures, pictures=pictures, errors=groups)
    path.write_text(text, encoding="utf-8")


def render(template: str, **values: Any) -> str:
    """Render one of this folder's templates; a missing variable is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"words": _words, "share": _share, "figure": _figure, "span": _span}
    return environment.get_template(template).render(**values)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _figure(value: float | None, digits: int = 3) -> str:
    """The value, or a dash if there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


def _span(limits: Sequence[float | None] | None) -> str:
    return "" if limits is None or limits[0] is None else f"{limits[0]:.3f}–{limits[1]:.3f}"
