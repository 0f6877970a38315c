"""The segmentation and the report of a CT or MR series, with the extra ``series`` and without it."""

from __future__ import annotations

import subprocess
import sys

from miqa_node.stages.report.series.extra import LIBRARIES


def test_nothing_loads_them_before_a_series_is_marked() -> None:
    code = (
        "import sys, miqa_node.built_in, miqa_node.stages.report.make\n"
        "from miqa_node.stages.report.outputs.base import OUTPUTS\n"
        f"OUTPUTS.all(); print([name for name in {LIBRARIES} if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
