"""Writes the sheets of a report as one HTML file that needs no other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from miqa_node.core.drawing import Drawing, to_svg
from miqa_node.stages.report.sheets import Sheet

FOLDER = Path(__file__).parent / "templates"


def write_html(title: str, note: str, sheets: Sequence[Sheet], pictures: Mapping[str, Drawing], language: str) -> str:
    """The report."""
    return _environment.get_template("report.html").render(
        language=language,
        title=title,
        note=note,
        style=Markup((FOLDER / "report.css").read_text("utf-8")),  # noqa: S704 - our own file
        sheets=sheets,
        drawn={name: Markup(to_svg(drawing)) for name, drawing in pictures.items()},  # noqa: S704 - escaped as written
    )


_environment = Environment(
    loader=FileSystemLoader(FOLDER),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
