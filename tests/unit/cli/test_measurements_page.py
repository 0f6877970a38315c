"""The reference of measurements is what the installed measurements say of themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.conftest import ROOT


def test_the_page_is_the_one_that_the_measurements_make(cli: Callable[..., Any]) -> None:
    page = "docs/reference/measurements.md"
    made = cli("reference", "measurements").out
    assert (ROOT / page).read_text("utf-8") == made, f"run: miqa-node reference measurements --out {page}"
