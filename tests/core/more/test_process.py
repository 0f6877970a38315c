"""What a process sets before it loads its libraries: one thread for each, and yields to the environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

RUNTIME = """
import os
from miqa_node.core import process
process.prepare()
import miqa_node.stages.assess.session, onnxruntime
print(len(os.listdir("/proc/self/task")))
"""


def test_the_model_runtime_reports_to_nobody(tmp_path: Path) -> None:
    """ONNX Runtime 1.31 kept a database of events in the home folder, and a thread that sends them."""
    environment = {
        key: value for key, value in os.environ.items() if key not in {"ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME"}
    }
    environment |= {"HOME": str(tmp_path)}
    threads = subprocess.run(
        [sys.executable, "-c", RUNTIME], capture_output=True, text=True, check=True, env=environment
    )
    assert threads.stdout.split() == ["1"]
    assert not list(tmp_path.rglob("*onnxruntime*"))
