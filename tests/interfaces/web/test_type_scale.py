"""Six sizes of type for all pages, two more for the light of a room display, which is read from across the room."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT

SHEETS = sorted((ROOT / "miqa_node").rglob("static/*.css"))
# m is 13 px on the root size of 15 px: the least of the rows that people work from.
SCALE = {"xs": ".72rem", "s": ".8rem", "m": ".87rem", "l": ".92rem", "xl": "1.06rem", "xxl": "1.35rem"}
OF_ROOMS = {"light", "pictured"}


@pytest.mark.parametrize("path", SHEETS, ids=lambda path: path.name)
def test_sizes_of_type_come_from_the_scale(path: Path) -> None:
    sheet = path.read_text("utf-8")
    sizes = re.findall(r"font-size:\s*([^;}]+)", sheet)
    short = re.findall(r"(?<!html \{ )\bfont:\s*([^;}]+)", sheet)
    assert [size for size in (*sizes, *short) if not re.match(r"inherit|var\(--text-\w+\)", size)] == []
    defined = dict(re.findall(r"--text-(\w+): ([^;]+);", sheet))
    assert {name: size for name, size in defined.items() if SCALE.get(name) != size and name not in OF_ROOMS} == {}
    if defined:
        assert set(re.findall(r"var\(--text-(\w+)\)", sheet)) <= set(defined)


def test_the_scale_is_in_the_sheet_of_all_pages() -> None:
    assert len(SHEETS) >= 6
    (style,) = [path.read_text("utf-8") for path in SHEETS if path.name == "style.css"]
    assert dict(re.findall(r"--text-(\w+): ([^;]+);", style)) == SCALE
