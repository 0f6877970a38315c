"""What plug-ins import: one module that gives each name when it is asked for, and the paths of before it."""

from __future__ import annotations

import subprocess
import sys


def test_a_measurement_loads_no_web_server_and_no_database() -> None:
    heavy = ("fastapi", "sqlalchemy", "typer", "onnxruntime")
    code = (
        f"import sys; from miqa_node.api import ImageMeasure; print([name for name in {heavy} if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
